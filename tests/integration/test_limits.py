# SPDX-License-Identifier: Apache-2.0
"""Host limits, rights, and daemons in each other's way."""

import json
import os
import pathlib
import re
import socket
import subprocess
import threading

import pytest

from rig import host
from rig.chaosd import CHAOS, CHAOSD
from rig.rpc import RpcError


def test_socket_in_use(daemon):
    result = subprocess.run([CHAOSD, "--socket", daemon.socket], capture_output=True, text=True,
                            timeout=host.DEADLINE)
    assert result.returncode == 1
    assert str(daemon.process.pid) in result.stderr or daemon.socket in result.stderr
    assert daemon.client().call("hello")["pid"] == daemon.process.pid


def test_stale_socket_is_replaced(make_daemon):
    daemon = make_daemon()
    daemon.kill()
    assert pathlib.Path(daemon.socket).exists()
    daemon.start()


def test_no_daemon_and_no_autostart(make_daemon):
    daemon = make_daemon(start=False)
    result = daemon.cli("list")
    assert result.returncode == 1
    assert daemon.socket in result.stderr and "chaosd" in result.stderr


class FakeDaemon:
    """Answers `hello` as a daemon of another version would."""

    def __init__(self, path, answer):
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.answer = answer
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                try:
                    for line in lines:
                        connection.sendall(self.answer(json.loads(line)) + b"\n")
                except OSError:
                    continue

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()


def other_version(request):
    result = {"version": "99.0.0", "api": 99, "driver": "process", "pid": os.getpid()}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()


def test_daemon_of_another_version(make_daemon):
    daemon = make_daemon(start=False)
    fake = FakeDaemon(daemon.socket, other_version)
    try:
        result = daemon.cli("list")
    finally:
        fake.close()
    assert result.returncode == 1
    assert "99" in result.stderr and "version" in result.stderr


def test_daemon_that_talks_nonsense(make_daemon):
    daemon = make_daemon(start=False)
    fake = FakeDaemon(daemon.socket, lambda request: b"you are welcome")
    try:
        result = daemon.cli("list")
    finally:
        fake.close()
    assert result.returncode == 1
    assert result.stderr.startswith("chaos: ")


def test_daemon_that_hangs_up(make_daemon):
    daemon = make_daemon(start=False)

    def hang_up(_):
        raise OSError

    fake = FakeDaemon(daemon.socket, hang_up)
    try:
        result = daemon.cli("list")
    finally:
        fake.close()
    assert result.returncode == 1


def test_no_permission(daemon, as_nobody):
    os.chmod(daemon.folder, 0o755)
    result = as_nobody("--socket", daemon.socket, "--no-autostart", "list")
    assert result.returncode == 1
    assert "ermission" in result.stderr


def test_socket_is_private(daemon):
    assert os.stat(daemon.socket).st_mode & 0o077 == 0
    assert os.stat(daemon.state).st_mode & 0o077 == 0


def test_socket_path_too_long(make_daemon):
    daemon = make_daemon(start=False)
    path = f"{daemon.folder}/{'x' * 120}/api.sock"
    result = subprocess.run([CHAOS, "--socket", path, "--no-autostart", "list"], capture_output=True, text=True)
    assert result.returncode in (1, 2)
    assert "107" in result.stderr


@pytest.mark.drivers("process", "kvm", reason="a domain of Xen costs its daemon no descriptor")
def test_descriptors_exhausted(make_daemon):
    daemon = make_daemon(wrapper=["prlimit", "--nofile=160:160"])
    client = daemon.client()
    client.call("pool.set", memory=4, vcpus=1, floor=0, ceiling=0)
    made = []
    with pytest.raises(RpcError) as error:
        for _ in range(400):
            made.append(daemon.create("noop", client))
    assert error.value.name == "limit_reached", error.value
    assert any(word in error.value.message for word in ("NOFILE", "files", "descriptors")), error.value.message
    assert len(daemon.names()) == len(made) == len(daemon.domain_files())
    client.call("domain.destroy", all=True)
    daemon.create("noop", client)


@pytest.mark.drivers("xen", reason="memory of a process is its host's, and given when it is used")
def test_memory_exhausted(daemon, client):
    """The error says how much is missing; what was made stays, and what is given back can be used again."""
    made = []
    with pytest.raises(RpcError) as error:
        for _ in range(64):
            made.append(daemon.create("noop", client, memory="512MiB"))
    assert error.value.name == "no_memory", error.value
    assert re.search(r"\d+ [KM]iB", error.value.message), error.value.message
    assert len(daemon.names()) == len(made) == len(daemon.domain_files())
    client.call("domain.destroy", id=made.pop()["id"])
    daemon.create("noop", client, memory="512MiB")


def test_cycles_leave_nothing_behind(daemon, client):
    client.call("pool.set", memory=4, vcpus=1, floor=4, ceiling=4)

    def cycle():
        daemon.create("echo", client, count=20)
        client.call("domain.destroy", all=True)
        daemon.await_full_pool(client)

    cycle()
    before, free_before = daemon.held(), daemon.behind.free_memory()
    for _ in range(5):
        cycle()
    daemon.await_no_more_held(before)
    slack = 64 << 10  # less than a page for each domain that there was: Xen's own heap breathes
    host.until(lambda: daemon.behind.free_memory() >= free_before - slack, what="the memory is free again")


def test_limit_of_domains(make_daemon):
    daemon = make_daemon(config={"limits": {"domains": 5}})
    client = daemon.client()
    for _ in range(5):
        daemon.create("noop", client)
    with pytest.raises(RpcError) as error:
        daemon.create("noop", client)
    assert error.value.name == "limit_reached"
    assert "5" in error.value.message
    assert len(daemon.names()) == 5


def test_state_folder_that_is_not_writable(make_daemon):
    daemon = make_daemon(start=False)
    (daemon.runtime / "state").write_text("a file, not a folder")
    result = subprocess.run([CHAOSD, "--socket", daemon.socket], capture_output=True, text=True,
                            timeout=host.DEADLINE)
    assert result.returncode != 0
    assert "state" in result.stderr
    assert not pathlib.Path(daemon.socket).exists()
    host.until(lambda: host.mentioning(str(daemon.folder)) == [], what="chaos-hv has seen that nobody needs it")


@pytest.mark.parametrize("text, words", [
    ('{"colour": 1}', ["colour"]),
    ('{"pool": [{"memory": "lots"}]}', ["pool[0].memory"]),
    ('{"log_level": "loud"}', ["log_level"]),
    ("{", []),
])
def test_bad_daemon_configuration(make_daemon, text, words):
    daemon = make_daemon(start=False)
    path = daemon.folder / "chaosd.json"
    path.write_text(text)
    for extra in ([], ["--check-config"]):
        result = subprocess.run([CHAOSD, "--socket", daemon.socket, "--config", path, *extra],
                                capture_output=True, text=True, timeout=host.DEADLINE)
        assert result.returncode == 2
        for word in ["chaosd.json", *words]:
            assert word in result.stderr


def test_unknown_driver(make_daemon):
    daemon = make_daemon(start=False)
    result = subprocess.run([CHAOSD, "--socket", daemon.socket, "--hypervisor", "vax"], capture_output=True,
                            text=True, timeout=host.DEADLINE)
    assert result.returncode in (1, 2)
    assert "vax" in result.stderr
