# SPDX-License-Identifier: Apache-2.0
"""dom0 in states that it should not be in, in use by others as well, or used for long."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from rig import foreign, host, xen
from rig.behind import BEHIND
from rig.console import Console
from rig.devices import await_served, count, sparse_file
from rig.events import Events
from rig.rpc import RpcError

only_xen = pytest.mark.drivers("xen", reason="about dom0 of a Xen")
DEVICES = {"privcmd": "xen-privcmd", "evtchn": "xen-evtchn", "gntdev": "xen-gntdev"}
MIB = 1 << 20
STORE_PID = pathlib.Path("/run/xenstored/xenstored.pid")

# A mount namespace of its own, in which /dev/xen has all that $1 names, found in $2.
WITH_DEVICES = """
mount --bind /dev/xen "$2" && mount -t tmpfs none /dev/xen || exit 99
for name in $1; do ln -s "$2/$name" "/dev/xen/$name"; done
shift 2 && exec "$@"
"""
# Another word on what this domain may do.
WITH_CAPABILITIES = 'mount --bind "$1" /proc/xen/capabilities || exit 99; shift; exec "$@"'


def devices_but(daemon, missing):
    """Without /dev/xen/`missing`; "all": /dev/xen is empty."""
    folder = daemon.folder / "devices"
    folder.mkdir()
    return host.in_namespace(WITH_DEVICES, " ".join(name for name in DEVICES if missing not in (name, "all")), folder)


# ---- what is missing

@only_xen
@pytest.mark.parametrize("missing", (*DEVICES, "all"))
def test_missing_device(make_daemon, missing):
    daemon = make_daemon(start=False)
    said = daemon.refusal(devices_but(daemon, missing))
    name = "privcmd" if missing == "all" else missing
    assert f"/dev/xen/{name} is missing" in said and f"modprobe {DEVICES[name]}" in said


@only_xen
def test_no_privilege(make_daemon):
    daemon = make_daemon(start=False)
    daemon.give_to_nobody()
    said = daemon.refusal(host.NOBODY)
    assert "/dev/xen/privcmd" in said and "run chaosd as root" in said


@only_xen
def test_not_dom0(make_daemon):
    daemon = make_daemon(start=False)
    (daemon.folder / "capabilities").write_text("nothing_much\n")
    said = daemon.refusal(host.in_namespace(WITH_CAPABILITIES, daemon.folder / "capabilities"))
    assert "dom0" in said and "guest of Xen" in said


@only_xen
@pytest.mark.parametrize("missing", ("evtchn", "all"))
def test_auto_takes_the_next_driver_and_says_why(make_daemon, missing):
    daemon = make_daemon(start=False)
    daemon.wrapper = devices_but(daemon, missing)
    daemon.driver, daemon.behind = "auto", BEHIND["process"](daemon)
    daemon.start()
    info = daemon.client().call("daemon.info")
    assert info["driver"]["name"] == "process"
    (skipped,) = [driver for driver in info["skipped_drivers"] if driver["name"] == "xen"]
    assert "modprobe" in skipped["why"]
    shown = daemon.cli("info").stdout
    assert "not used" in shown and skipped["why"] in shown
    daemon.create("hello")


@only_xen
def test_auto_takes_xen(make_daemon):
    daemon = make_daemon(start=False)
    daemon.driver = "auto"
    daemon.start()
    info = daemon.client().call("daemon.info")
    assert info["driver"]["name"] == "xen" and info["skipped_drivers"] == []
    assert info["driver"]["version"].startswith("Xen 4.")
    assert 0 < info["memory"]["free_bytes"] < info["memory"]["total_bytes"]


@pytest.mark.drivers("process", "kvm", reason="this machine runs Xen")
@pytest.mark.skipif(os.path.exists("/sys/hypervisor/type"), reason="this machine runs on Xen")
def test_no_xen_at_all(make_daemon):
    said = make_daemon(start=False).refusal(driver="xen")
    assert "does not run Xen" in said and "docs/xen.md" in said


# ---- several daemons

@only_xen
def test_daemons_side_by_side(make_daemon):
    first, second = make_daemon(), make_daemon()
    one, two = first.create("echo", name="same"), second.create("echo", name="same")
    other = foreign.create(first, "pv64", name="other")
    assert len({one["id"], two["id"], other["id"]}) == 3
    assert first.names() == ["other", "same"] and second.names() == ["same"]
    with pytest.raises(RpcError) as error:
        second.client().call("domain.destroy", id=one["id"])
    assert error.value.name == "no_such_domain"
    second.client().call("domain.destroy", all=True)
    console = Console(first, one)
    console.type("untouched\n")
    console.read_until(b"untouched")


@only_xen
def test_domains_are_adopted_by_their_own_daemon(make_daemon):
    first, second = make_daemon(), make_daemon()
    mine = [first.create("echo", name="native"), foreign.create(first, "pvh64", name="foreign")]
    bodies = list(map(first.behind.body_of, mine))
    stays = second.create("echo", name="stays")
    first.kill()
    second.kill()
    second.start()
    assert second.names() == ["stays"]
    third = make_daemon()
    assert third.names() == []
    third.stop()
    assert all(map(first.behind.is_alive, bodies))
    first.start()
    assert first.names() == ["foreign", "native"]
    for daemon, domain in ((first, mine[0]), (first, mine[1]), (second, stays)):
        console = Console(daemon, domain)
        console.type("home again\n")
        console.read_until(b"home again")


# ---- many domains, one after another

def held_by(pid):
    """Descriptors, mappings of guest memory and event channels. Heap and stacks may grow."""
    mapped = [name for _, _, _, name in host.mappings(pid) if name.startswith("/dev/xen/")]
    with open("/proc/interrupts") as table:
        channels = sum("evtchn:" in line for line in table)
    return {"descriptors": len(host.descriptors(pid)), "mappings": len(mapped), "channels": channels}


def check_cycles(daemon, cycle, batches):
    """After a first one, `batches` times `cycle` leave all as it was."""
    client = daemon.client()

    def settle():
        client.call("domain.destroy", all=True)
        daemon.await_full_pool(client)
        return held_by(daemon.process.pid)

    cycle(client)
    before = settle()
    free = xen.control().free_bytes()
    for _ in range(batches):
        cycle(client)
        settle()
    held = {}
    try:
        host.until(lambda: held.update(settle()) or held == before)
    except AssertionError as error:
        raise AssertionError(f"before {before}, now {held}") from error
    slack = 256 << 10  # Xen's own heap breathes; a page for each domain would be 4 MiB
    host.until(lambda: xen.control().free_bytes() >= free - slack, what=f"{free} bytes are free again")


@only_xen
@pytest.mark.slow
def test_a_thousand_domains_leave_nothing(make_daemon):
    daemon = make_daemon(config={"pool": [{"memory": "4MiB", "floor": 4, "ceiling": 4}]})
    check_cycles(daemon, lambda client: daemon.create("hello", client, count=50, wait="created"), batches=20)


@only_xen
@pytest.mark.slow
def test_domains_with_network_and_disks_leave_nothing(make_daemon):
    """Destroyed at work: no grant stays mapped, no event channel bound, and so no domain a zombie."""
    daemon = make_daemon(config={"pool": [{"memory": "8MiB", "floor": 2, "ceiling": 2, "vifs": 1}]})
    paths = [sparse_file(daemon, MIB, f"{number}.img") for number in range(3)]

    def cycle(client):
        guests = daemon.create("httpd", client, memory=8, vifs=[{}], count=5)
        guests += [daemon.create("blkcheck", client, memory=16, cmdline="mode=verify loop=1", vifs=[{}],
                                 vbds=[{"target": str(path)}]) for path in paths]
        for guest in guests[:5]:
            await_served(daemon, guest)
        for guest in guests[5:]:
            host.until(lambda: count(daemon, guest, "vbd", "reads") > 0, what="it is at work")

    check_cycles(daemon, cycle, batches=5)


@only_xen
@pytest.mark.slow
@pytest.mark.parametrize("kind", ("pvh64", "pv64"))
def test_foreign_domains_leave_nothing(make_daemon, kind):
    daemon = make_daemon(config={"pool": [{"memory": "4MiB", "floor": 1, "ceiling": 1}]})
    check_cycles(daemon, lambda client: [foreign.create(daemon, kind, "echo", client) for _ in range(5)], batches=10)


@only_xen
@pytest.mark.parametrize("kind", ("pvh64", "pv64"))
def test_more_memory_than_is_free(daemon, client, kind):
    daemon.await_full_pool()
    free = xen.control().free_bytes()
    with pytest.raises(RpcError) as error:
        foreign.create(daemon, kind, memory=(free >> 20) + 64)
    assert error.value.name == "no_memory", error.value
    assert "KiB are missing" in error.value.message, error.value
    assert daemon.names() == [] and daemon.domain_files() == []
    host.until(lambda: len(daemon.behind.bodies()) == 8 and xen.control().free_bytes() >= free - (256 << 10),
               what="all memory is back")
    foreign.create(daemon, kind)


# ---- beside xl

@pytest.fixture(scope="module")
def xenstored():
    """What xl needs. While it runs, Xen tells it, and not chaosd, of dying domains."""
    if not shutil.which("xl"):
        pytest.skip("no xl here (tests/xen/run --with-xl)")
    for folder in ("/run/xen", "/run/xenstored", "/var/lib/xenstored", "/var/lib/xen", "/var/lock"):
        os.makedirs(folder, exist_ok=True)
    STORE_PID.unlink(missing_ok=True)  # of the one before: a long run starts it more than once
    subprocess.run(["xenstored", "--pid-file", str(STORE_PID)], check=True, timeout=host.DEADLINE)
    pid = int(host.until(lambda: STORE_PID.exists() and STORE_PID.read_text().strip(), what="xenstored is up"))
    subprocess.run(["xen-init-dom0"], check=True, timeout=host.DEADLINE, stdout=subprocess.DEVNULL)
    yield pid
    os.kill(pid, signal.SIGTERM)
    host.wait_end(pid)


def xl(*words):
    return subprocess.run(["xl", *map(str, words)], capture_output=True, text=True, timeout=host.DEADLINE)


@only_xen
def test_deaths_are_seen_without_the_virq(xenstored, daemon, client):
    (note,) = [note for note in client.call("daemon.info")["driver"]["notes"] if "VIRQ_DOM_EXC" in note]
    assert "xenstored" in note and note in daemon.cli("info").stdout
    events = Events(daemon)
    for image, keys, end in (("hello", {}, "shutdown"), ("fault", {"cmdline": "fault=wild-read"}, "crashed")):
        domain = daemon.create(image, client, wait="created", **keys)
        events.wait(end, id=domain["id"])
    events.wait("crashed", id=foreign.create(daemon, "pv64", "crash")["id"])
    events.wait("shutdown", id=foreign.create(daemon, "pvh64", "poweroff")["id"])
    host.until(lambda: daemon.names() == [], what="all have ended")


@only_xen
@pytest.mark.parametrize("kind", ("native", "pvh64", "pv64"))
def test_xl_destroys_a_domain_of_ours(xenstored, daemon, client, kind):
    events = Events(daemon)
    domain = daemon.create("echo", client) if kind == "native" else foreign.create(daemon, kind)
    bystander = daemon.create("echo", client, name="bystander")
    daemon.await_full_pool(client)
    assert f" {domain['id']} " in xl("list").stdout
    held = held_by(daemon.process.pid)
    result = xl("destroy", domain["id"])
    assert result.returncode == 0, result.stderr
    assert "killed" in events.wait("crashed", id=domain["id"])["detail"]
    host.until(lambda: daemon.names() == ["bystander"], what="it is gone")
    assert f" {domain['id']} " not in xl("list").stdout
    assert held_by(daemon.process.pid)["channels"] == held["channels"] - 1
    console = Console(daemon, bystander)
    console.type("still here\n")
    console.read_until(b"still here")


@only_xen
def test_xl_destroys_a_shell(xenstored, daemon, client):
    daemon.await_full_pool()
    for body in daemon.behind.bodies():
        assert xl("destroy", body).returncode == 0
    daemon.create("echo", client, wait="ready")


@only_xen
def test_guests_of_a_daemon_before_xenstored(xenstored, make_daemon):
    """Adopted while Xen tells another of deaths."""
    daemon = make_daemon()
    domain = daemon.create("echo")
    daemon.kill()
    daemon.start()
    events = Events(daemon)
    Console(daemon, domain).type("exit\n")
    events.wait("shutdown", id=domain["id"])
