# SPDX-License-Identifier: Apache-2.0
"""Guests with disks: what they write is there, what they may not do fails, and what the host can't do is told them."""

import fcntl
import os
import re
import struct
import subprocess

import pytest

from rig import host
from rig.console import Console
from rig.devices import await_served, count, device_of, sparse_file, used_bytes
from rig.events import Events
from rig.rpc import RpcError

MIB = 1 << 20


def disk(path, **keys):
    return {"target": str(path), **keys}


def start_check(daemon, path, mode, paused=False, **keys):
    """A guest that checks the disk at `path`; it stays, ended, to be looked at."""
    return daemon.create("blkcheck", wait="created", memory=16, vbds=[disk(path, **keys)], cmdline=f"mode={mode}",
                         on_poweroff="preserve", paused=paused)


def end_of(daemon, guest, timeout=host.DEADLINE * 2):
    """Exit code and output; then the guest is no more."""
    code = Events(daemon, since=0).wait("shutdown", timeout, id=guest["id"])["exit_code"]
    text = Console(daemon, guest).read_to_end().decode(errors="replace")
    daemon.client().call("domain.destroy", id=guest["id"])
    return code, text


def check(daemon, path, mode="verify", **keys):
    code, text = end_of(daemon, start_check(daemon, path, mode, **keys), timeout=host.DEADLINE * 10)
    assert code == 0, text
    return text


def test_verify(daemon):
    path = sparse_file(daemon, 64 * MIB)
    check(daemon, path)
    assert used_bytes(path) >= 64 * MIB


@pytest.mark.slow
@pytest.mark.drivers("process", "kvm", reason="dom0 of the emulated machine has its files in memory, and less than that")
def test_verify_a_gibibyte(daemon):
    path = sparse_file(daemon, 1024 * MIB)
    check(daemon, path)
    assert used_bytes(path) >= 1024 * MIB  # and what the file system needs to find so many pieces


@pytest.mark.parametrize("size", (4096, 512 * 9, 512 * 2047, 3 * MIB + 512))
def test_sizes(daemon, size):
    """Also those that end in the middle of a page."""
    path = sparse_file(daemon, size)
    check(daemon, path)
    assert os.path.getsize(path) == size


def test_what_was_written_is_there_for_the_next_guest(daemon):
    path = sparse_file(daemon, 8 * MIB)
    check(daemon, path, "write")
    check(daemon, path, "read")
    check(daemon, path, "read", access="r")


def test_changed_sector_is_found(daemon):
    path = sparse_file(daemon, 8 * MIB)
    check(daemon, path, "write")
    with open(path, "r+b") as file:
        file.seek(12345 * 512 + 17)
        file.write(b"\x5a")
    code, text = end_of(daemon, start_check(daemon, path, "read"))
    assert code == 1 and "12345" in text, text


def test_counters_and_info(daemon):
    path = sparse_file(daemon, MIB)
    guest = daemon.create("blkcheck", memory=16, vbds=[disk(path)], cmdline="mode=verify loop=1", name="checker")
    await_served(daemon, guest)
    host.until(lambda: count(daemon, guest, "vbd", "read_bytes") > 2 * MIB, what="it has checked twice")
    vbd = device_of(daemon, guest, "vbd")
    assert vbd["target"] == str(path) and vbd["counters"]["errors"] == 0
    assert vbd["counters"]["written_bytes"] > 0 and vbd["counters"]["flushes"] > 0
    shown = daemon.cli("info", "checker").stdout
    assert str(path) in shown and "connected" in shown


# ---- read-only


def test_read_only_disk_is_not_written(daemon):
    path = sparse_file(daemon, MIB)
    guest = daemon.create("fault", vbds=[disk(path, access="r")], cmdline="fault=vbd-write-read-only")
    Console(daemon, guest).read_until(b"2 errors of 2, reading fails: 0")
    assert used_bytes(path) == 0
    assert device_of(daemon, guest, "vbd")["access"] == "ro"


def test_file_that_may_only_be_read(make_daemon):
    """To a user who may not write it: it can be had for reading."""
    daemon = make_daemon(start=False)
    path = sparse_file(daemon, MIB)
    path.chmod(0o444)
    if os.geteuid() == 0:
        if daemon.driver != "process":
            pytest.skip("nobody may use this driver's device")
        daemon.give_to_nobody()
        daemon.wrapper = host.NOBODY
    daemon.start()
    with pytest.raises(RpcError) as error:
        start_check(daemon, path, "read")
    assert error.value.name == "permission_denied" and str(path) in error.value.message
    guest = daemon.create("fault", vbds=[disk(path, access="r")], cmdline="fault=vbd-write-read-only")
    Console(daemon, guest).read_until(b"reading fails: 0")


# ---- one writer


def test_disk_in_use(daemon):
    path = sparse_file(daemon, MIB)
    daemon.create("noop", vbds=[disk(path)], name="first")
    for access in ("rw", "r"):
        with pytest.raises(RpcError) as error:
            daemon.create("noop", vbds=[disk(path, access=access)])
        assert error.value.name == "bad_state", error.value.message
        assert all(word in error.value.message for word in ("vbds[0]", str(path), "in use")), error.value.message
    assert daemon.names() == ["first"] and len(daemon.domain_files()) == 1
    daemon.client().call("domain.destroy", name="first")
    daemon.create("noop", vbds=[disk(path)])


def test_many_readers(daemon):
    path = sparse_file(daemon, MIB)
    for _ in range(5):
        daemon.create("noop", vbds=[disk(path, access="r")])
    with pytest.raises(RpcError) as error:
        daemon.create("noop", vbds=[disk(path)])
    assert "in use" in error.value.message


def test_twice_in_one_guest(daemon):
    path = sparse_file(daemon, MIB)
    with pytest.raises(RpcError) as error:
        daemon.create("noop", vbds=[disk(path), disk(path)])
    assert "vbds[1]" in error.value.message and "only readers" in error.value.message
    assert daemon.names() == []
    daemon.create("noop", vbds=[disk(path, access="r"), disk(path, access="r")])


def test_disk_in_use_by_another_program(daemon):
    path = sparse_file(daemon, MIB)
    with open(path, "r+b") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        with pytest.raises(RpcError) as error:
            daemon.create("noop", vbds=[disk(path)])
        assert error.value.name == "bad_state" and "in use" in error.value.message
    daemon.create("noop", vbds=[disk(path)])


# ---- what is no disk


def make_nothing(folder):
    return folder / "missing.img"


def make_folder(folder):
    (folder / "folder").mkdir()
    return folder / "folder"


def make_odd_file(folder):
    (folder / "odd.img").write_bytes(b"x" * 1000)
    return folder / "odd.img"


def make_empty_file(folder):
    (folder / "empty.img").touch()
    return folder / "empty.img"


def make_pipe(folder):
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def make_character_device(_):
    return "/dev/zero"


NO_DISKS = {make_nothing: ("not_found", "No such file"), make_folder: ("unsupported", "neither a file nor"),
            make_odd_file: ("unsupported", "512"), make_empty_file: ("unsupported", "512"),
            make_pipe: ("unsupported", "neither a file nor"), make_character_device: ("unsupported", "neither a file nor")}


@pytest.mark.parametrize("make", NO_DISKS, ids=lambda make: make.__name__)
def test_no_disk(daemon, make):
    code, word = NO_DISKS[make]
    path = make(daemon.folder)
    good = sparse_file(daemon, MIB, "good.img")
    with pytest.raises(RpcError) as error:
        daemon.create("noop", vbds=[disk(good), disk(path)])
    assert error.value.name == code, error.value.message
    assert all(text in error.value.message for text in ("vbds[1]", str(path), word)), error.value.message
    assert daemon.names() == [] and daemon.domain_files() == []
    daemon.create("noop", vbds=[disk(good)])  # it was let go of


# ---- what the host can't do

SMALL = 'mount -t tmpfs -o size=2m none "$1" && truncate -s 64M "$1/disk.img" && shift && exec "$@"'


def test_host_without_space(make_daemon):
    """The file is sparse, and the file system too small for all of it: block errors in the guest, and nothing worse."""
    daemon = make_daemon(start=False)
    folder = daemon.folder / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    daemon.wrapper = host.in_namespace(SMALL, folder)
    daemon.start()
    code, text = end_of(daemon, start_check(daemon, folder / "disk.img", "write"))
    assert code == 2 and "error of the disk" in text, text
    assert re.search(r"disk\.img.*No space left", daemon.log_text()), daemon.log_text()
    check(daemon, sparse_file(daemon, MIB))


def test_file_that_shrinks(daemon):
    """After the guest was told its size: what is no longer there can't be read."""
    path = sparse_file(daemon, 8 * MIB)
    check(daemon, path, "write")
    guest = start_check(daemon, path, "read", paused=True)
    os.truncate(path, 4 * MIB)
    daemon.client().call("domain.unpause", id=guest["id"])
    code, text = end_of(daemon, guest)
    assert code == 2 and "error of the disk at sector 8" in text, text
    assert str(path) in daemon.log_text()
    check(daemon, sparse_file(daemon, MIB, "other.img"))


def test_file_that_shrinks_again_and_again(daemon):
    """While it is written and read: a write makes it long again, with a hole."""
    path = sparse_file(daemon, 8 * MIB)
    guest = start_check(daemon, path, "verify loop=1")
    host.until(lambda: count(daemon, guest, "vbd", "reads") > 0, what="it is at work")

    def cut():
        os.truncate(path, MIB)
        return daemon.client().call("domain.get", id=guest["id"])["state"] == "shutdown"

    host.until(cut, what="it has noticed")
    code, text = end_of(daemon, guest)
    assert code in (1, 2), text


def test_discard_punches_holes(daemon):
    path = sparse_file(daemon, 8 * MIB)
    check(daemon, path, "write")
    assert used_bytes(path) >= 8 * MIB
    check(daemon, path, "discard")
    assert used_bytes(path) == 0


def test_block_device(daemon, block_device):
    check(daemon, block_device)
    with pytest.raises(RpcError) as error:
        daemon.create("noop", vbds=[disk(block_device), disk(block_device)])
    assert "only readers" in error.value.message
    daemon.create("noop", vbds=[disk(block_device)])
    with pytest.raises(RpcError) as error:
        daemon.create("noop", vbds=[disk(block_device)])
    assert "in use" in error.value.message


@pytest.fixture
def block_device(daemon):
    """A loop device over a file."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a loop device")
    file = sparse_file(daemon, 4 * MIB, "under-loop.img")
    made = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no loop device here: {made.stderr.strip()}")
    yield made.stdout.strip()
    daemon.client().call("domain.destroy", all=True)
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


def test_four_disks(daemon):
    """A guest knows them apart: each is as large as its file."""
    paths = [sparse_file(daemon, size * MIB, f"{size}.img") for size in (1, 2, 3, 4)]
    guest = daemon.create("noop", vbds=[disk(path) for path in paths])
    shown = [device_of(daemon, guest, "vbd", index) for index in range(4)]
    assert [vbd["vdev"] for vbd in shown] == ["xvda", "xvdb", "xvdc", "xvdd"]
    assert [vbd["target"] for vbd in shown] == list(map(str, paths))


def test_relative_path(daemon):
    """Is that of the file that names it."""
    sparse_file(daemon, MIB, "beside.img")
    config = daemon.write_config(vbds=[{"target": "beside.img"}])
    made = daemon.cli("create", config, cwd="/")
    assert made.returncode == 0, made.stderr
