# SPDX-License-Identifier: Apache-2.0
"""Devices that come to running guests, and go."""

import json

import pytest

from rig import foreign, host
from rig.console import Console
from rig.devices import (address_of, await_served, count, device_of, devices_of, is_served, make_network, reboot,
                         sparse_file)
from rig.events import Events
from rig.rpc import RpcError

MIB = 1 << 20
SPARE = 4  # devices that every guest has room for beyond those that it was made with
SOON_MS = 200


def attach(daemon, guest, **device):
    made = daemon.ask("domain.attach", id=guest["id"], **device)["device"]
    return next(d for d in devices_of(daemon, guest, made["type"]) if d["id"] == made["id"])


def detach(daemon, guest, kind, which, **keys):
    return daemon.ask("domain.detach", id=guest["id"], type=kind, device=which, **keys)


def take(daemon, guest, kind, which):
    """Without asking the guest."""
    assert detach(daemon, guest, kind, which, timeout_ms=0)["forced"] is True


def attach_vif(daemon, guest, **keys):
    return attach(daemon, guest, vif=keys)


def attach_vbd(daemon, guest, path, **keys):
    return attach(daemon, guest, vbd={"target": str(path), **keys})


# ---- come


def test_vif_comes(networked, world):
    """To a guest that had none; it answers as if it had been made with it."""
    guest = networked.create("httpd", memory=8, wait="created")
    events = Events(networked)
    attached = attach_vif(networked, guest, bridge="net")
    await_served(networked, guest)
    events.wait("attached", id=guest["id"])
    address = attached["ip"].split("/")[0]
    world.ping(address)
    assert world.status_of(f"http://{address}/") == "200"


def test_vif_comes_to_a_guest_that_has_one(networked, world):
    make_network(networked, "second", "10.6.0.1/24")
    guest = networked.create("router", cmdline="allow=any", vifs=[{"bridge": "net"}], memory=8)
    world.ping(address_of(networked, guest))
    second = attach_vif(networked, guest, bridge="second")
    assert second["id"] != device_of(networked, guest, "vif")["id"]
    assert len(devices_of(networked, guest, "vif")) == 2
    world.ping(address_of(networked, guest))


def test_vbd_comes(daemon):
    """A guest that waits for its disk checks it then."""
    path = sparse_file(daemon, MIB)
    guest = daemon.create("blkcheck", memory=16, wait="created", cmdline="mode=verify loop=1")
    attached = attach_vbd(daemon, guest, path)
    assert attached["vdev"] == "xvda" and attached["target"] == str(path)
    await_served(daemon, guest)
    host.until(lambda: count(daemon, guest, "vbd", "read_bytes") >= MIB, what="it was checked")


def test_verbs(networked, world):
    path = sparse_file(networked, MIB)
    networked.create("httpd", memory=8, name="web", wait="created")
    made = networked.cli("attach", "web", "vif", "bridge=net", "ip=10.9.0.40", "mac=02:00:00:00:00:40")
    assert made.returncode == 0, made.stderr
    world.ping("10.9.0.40")
    made = networked.cli("attach", "web", "vbd", path, "access=ro", "vdev=xvdf")
    assert made.returncode == 0, made.stderr
    shown = networked.cli("info", "web").stdout
    assert all(word in shown for word in ("10.9.0.40", "02:00:00:00:00:40", str(path), "xvdf")), shown
    (vif, vbd) = json.loads(networked.cli("info", "web", "--json").stdout)["devices"]
    assert is_served(vif) and vbd["access"] == "ro"
    assert networked.cli("detach", "web", "vif", "02:00:00:00:00:40").returncode == 0
    assert networked.cli("detach", "web", "vbd", "xvdf", "--timeout", "1").returncode == 0
    assert json.loads(networked.cli("info", "web", "--json").stdout)["devices"] == []
    assert world.is_deaf("10.9.0.40")


def test_another_vif_comes_to_a_guest_that_slept_through_it(networked, world):
    """The first one went without the guest, and the second has its name, its control page, and another address."""
    guest = networked.create("httpd", memory=8, vifs=[{"bridge": "net"}])
    world.ping(address_of(networked, guest))
    networked.ask("domain.pause", id=guest["id"])
    take(networked, guest, "vif", 0)
    assert attach_vif(networked, guest, bridge="net", ip="10.9.0.50")["id"] == 0
    networked.ask("domain.unpause", id=guest["id"])
    world.ping("10.9.0.50")
    assert world.status_of("http://10.9.0.50/") == "200"


# ---- go


def test_vif_goes(networked, world):
    """In order: the guest was asked and has let go."""
    guest = networked.create("httpd", memory=8, vifs=[{"bridge": "net"}], name="web")
    address = address_of(networked, guest)
    world.ping(address)
    events = Events(networked)
    assert detach(networked, guest, "vif", device_of(networked, guest, "vif")["id"])["forced"] is False
    events.wait("detached", id=guest["id"])
    assert devices_of(networked, guest, "vif") == []
    assert world.is_deaf(address)
    other = networked.create("httpd", memory=8, vifs=[{"bridge": "net"}])
    assert address_of(networked, other) == address  # it was free again
    world.ping(address)


def test_vbd_goes(daemon):
    """The guest lives on, and the disk is another one's."""
    path = sparse_file(daemon, 8 * MIB)
    guest = daemon.create("fault", vbds=[{"target": str(path)}], cmdline="fault=vbd-bad-requests")
    console = Console(daemon, guest)
    console.read_until(b"good ones fail: 0")
    assert detach(daemon, guest, "vbd", "xvda")["forced"] is False
    console.read_until(b"the device has gone")
    assert devices_of(daemon, guest, "vbd") == []
    other = daemon.create("blkcheck", memory=16, wait="created", vbds=[{"target": str(path)}], cmdline="mode=verify")
    assert Events(daemon, since=0).wait("shutdown", id=other["id"])["exit_code"] == 0


def test_vbd_goes_at_work(daemon):
    """What the guest makes of it is its own business; the disk is free again in any case."""
    path = sparse_file(daemon, 8 * MIB)
    guest = daemon.create("blkcheck", memory=16, vbds=[{"target": str(path)}], cmdline="mode=verify loop=1")
    host.until(lambda: count(daemon, guest, "vbd", "reads") > 0, what="it is at work")
    try:
        assert detach(daemon, guest, "vbd", "xvda")["forced"] is False
    except RpcError as error:
        assert "ended" in error.message, error.message
    daemon.create("noop", vbds=[{"target": str(path)}])


def test_it_comes_and_goes_again_and_again(networked, world):
    guest = networked.create("httpd", memory=8, wait="created")

    def come_and_go(times):
        for round_number in range(times):
            attached = attach_vif(networked, guest, bridge="net")
            await_served(networked, guest)
            if round_number % 10 == 0:
                world.ping(attached["ip"].split("/")[0])
            detach(networked, guest, "vif", attached["mac"])
        assert devices_of(networked, guest) == []
        networked.await_full_pool()

    come_and_go(1)
    before = networked.held()
    come_and_go(30)
    networked.await_no_more_held(before)


def deaf_guest(daemon, kind="vif", **keys):
    """Has connected its device, and answers nobody any more. Returns the guest and the path of its disk."""
    path = sparse_file(daemon, MIB)
    fault = {"vif": "vif-bad-buffers", "vbd": "vbd-read-only-page"}[kind]
    guest = daemon.create("fault", cmdline=f"fault={fault}", vifs=[{}], vbds=[{"target": str(path)}], **keys)
    Console(daemon, guest).read_until({"vif": b"posted", "vbd": b"fails: 1"}[kind])
    return guest, path


@pytest.mark.parametrize("kind", ("vif", "vbd"))
def test_guest_that_does_not_answer(daemon, kind):
    """It is asked, and what it holds is taken from it when the time is over."""
    guest, path = deaf_guest(daemon, kind)
    address = address_of(daemon, guest)
    assert detach(daemon, guest, kind, 0, timeout_ms=SOON_MS)["forced"] is True
    assert devices_of(daemon, guest, kind) == []
    if kind == "vif":
        assert address_of(daemon, daemon.create("noop", vifs=[{}])) == address
    else:
        daemon.create("noop", vbds=[{"target": str(path)}])


def test_guest_that_never_looked_at_its_device(daemon):
    """Nobody has to be asked."""
    guest = daemon.create("spin", vifs=[{}])
    assert detach(daemon, guest, "vif", 0)["forced"] is False
    assert devices_of(daemon, guest) == []


def test_force_does_not_ask(daemon):
    guest, _ = deaf_guest(daemon)
    take(daemon, guest, "vif", 0)
    assert devices_of(daemon, guest, "vif") == []


def test_guest_ends_while_it_is_asked(daemon):
    """Whoever waits for the device hears of the end."""
    guest, _ = deaf_guest(daemon)
    waiting, client = daemon.client(), daemon.client()
    number = waiting.send("domain.detach", {"id": guest["id"], "type": "vif", "device": 0,
                                            "timeout_ms": int(host.DEADLINE * 1000)})
    host.until(lambda: device_of(daemon, guest, "vif")["backend"] == "closing", what="the guest is asked")
    client.call("domain.destroy", id=guest["id"])
    try:
        waiting.reply_to(number)
    except RpcError as error:
        assert error.name in ("no_such_domain", "not_found", "guest_died", "bad_state"), error.message
    assert daemon.names() == []


# ---- what can't be


def test_more_than_there_is_room_for(daemon):
    guest = daemon.create("noop", vifs=[{}])
    for _ in range(SPARE):
        attach_vif(daemon, guest)
    with pytest.raises(RpcError) as error:
        attach_vif(daemon, guest)
    assert error.value.name == "limit_reached" and str(SPARE) in error.value.message, error.value.message
    assert len(devices_of(daemon, guest)) == SPARE + 1
    take(daemon, guest, "vif", 0)
    attach_vif(daemon, guest)


def test_same_disk_twice(daemon):
    path = sparse_file(daemon, MIB)
    guest, other = daemon.create("noop", vbds=[{"target": str(path)}]), daemon.create("noop")
    for who in (guest, other):
        with pytest.raises(RpcError) as error:
            attach_vbd(daemon, who, path)
        assert error.value.name == "bad_state" and "in use" in error.value.message
    assert len(devices_of(daemon, guest)) == 1 and devices_of(daemon, other) == []


@pytest.mark.parametrize("device, word", [
    ({"vif": {"bridge": "nowhere"}}, "nowhere"),
    ({"vif": {"ip": "192.0.2.1"}}, "192.0.2.1"),
    ({"vif": {"mac": "ff:ff:ff:ff:ff:ff"}}, "ff:ff:ff:ff:ff:ff"),
    ({"vif": {"colour": "red"}}, "colour"),
    ({"vbd": {"target": "/nowhere/disk.img"}}, "/nowhere/disk.img"),
    ({"vbd": {"target": "/dev/zero"}}, "/dev/zero"),
    ({"vbd": {}}, "target"),
    ({}, "vif"),
])
def test_device_that_can_not_be(daemon, device, word):
    guest = daemon.create("noop")
    with pytest.raises(RpcError) as error:
        attach(daemon, guest, **device)
    assert word in error.value.message, error.value.message
    assert devices_of(daemon, guest) == []


@pytest.mark.parametrize("kind, which", [("vif", 1), ("vif", "02:00:00:00:00:01"), ("vbd", 0), ("vbd", "xvda")])
def test_what_is_not_there(daemon, kind, which):
    guest = daemon.create("noop", vifs=[{}])
    with pytest.raises(RpcError) as error:
        detach(daemon, guest, kind, which)
    assert error.value.name == "not_found" and str(which) in error.value.message, error.value.message
    assert len(devices_of(daemon, guest)) == 1


def test_usage(daemon):
    daemon.create("noop", name="it")
    for words in (("it",), ("it", "toaster"), ("it", "vbd"), ("it", "vif", "colour=red")):
        assert daemon.cli("attach", *words).returncode == 2, words
    for words in (("it",), ("it", "vif"), ("it", "toaster", 0)):
        assert daemon.cli("detach", *words).returncode == 2, words
    assert daemon.cli("attach", "nobody", "vif").returncode == 3
    assert daemon.cli("detach", "it", "vif", 7).returncode in (1, 2)


@pytest.mark.drivers("xen", reason="kernels that others built run on Xen only")
def test_kernel_of_others(daemon):
    guest = foreign.create(daemon, "pvh64")
    with pytest.raises(RpcError) as error:
        attach_vif(daemon, guest)
    assert error.value.name == "unsupported", error.value.message


# ---- over a restart


def test_attached_device_stays_over_a_restart(networked, world):
    path = sparse_file(networked, MIB)
    guest = networked.create("httpd", memory=8, wait="created")
    attached = attach_vif(networked, guest, bridge="net")
    attach_vbd(networked, guest, path)
    address = attached["ip"].split("/")[0]
    world.ping(address)
    networked.kill()
    networked.start()
    assert device_of(networked, guest, "vif")["mac"] == attached["mac"]
    assert device_of(networked, guest, "vbd")["target"] == str(path)
    world.ping(address)
    assert detach(networked, guest, "vif", attached["mac"])["forced"] is False
    take(networked, guest, "vbd", "xvda")
    again = attach_vif(networked, guest, bridge="net")
    world.ping(again["ip"].split("/")[0])


def test_daemon_dies_while_a_guest_is_asked(daemon):
    """The device is there or is not; if it is, it can still be taken, and nothing stays of it."""
    guest, _ = deaf_guest(daemon)
    address = address_of(daemon, guest)
    daemon.client().send("domain.detach", {"id": guest["id"], "type": "vif", "device": 0,
                                           "timeout_ms": int(host.DEADLINE * 1000)})
    host.until(lambda: device_of(daemon, guest, "vif")["backend"] == "closing", what="the guest is asked")
    daemon.kill()
    daemon.start()
    if devices_of(daemon, guest, "vif"):
        take(daemon, guest, "vif", 0)
    assert devices_of(daemon, guest, "vif") == []
    assert address_of(daemon, daemon.create("noop", vifs=[{}])) == address


def test_restart_of_the_guest_keeps_what_was_attached(networked, world):
    """Or not, but then it is not there at all: what is shown is what is served."""
    guest = networked.create("httpd", memory=8, vifs=[{"bridge": "net"}], name="web")
    address = address_of(networked, guest)
    attach_vif(networked, guest, bridge="net")
    again = reboot(networked, guest)
    world.ping(address)
    assert devices_of(networked, again, "vif")[0]["ip"].split("/")[0] == address


def test_guest_that_lost_its_disk_lives(daemon):
    """The guest goes on: what it does without its disk is its own business."""
    path = sparse_file(daemon, MIB)
    guest = daemon.create("echo", vbds=[{"target": str(path)}])
    take(daemon, guest, "vbd", 0)
    console = Console(daemon, guest)
    console.type("still here\n")
    console.read_until(b"still here")
