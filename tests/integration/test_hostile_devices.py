# SPDX-License-Identifier: Apache-2.0
"""Frontends that break the rules of their rings: the device is stopped with a reason, or the request refused; everybody
else is served as before. What each fault does: guest-shims/guests/fault_vif.hpp, fault_vbd.hpp."""

import subprocess

import pytest

from rig import host
from rig.console import Console
from rig.devices import address_of, await_served, await_stopped, count, device_of, sparse_file
from rig.events import Events

MIB = 1 << 20
STOPPED_VIFS = ("vif-ring-ref", "vif-queues", "vif-tx-index", "vif-rx-index", "vif-endless-packet")
STOPPED_VBDS = ("vbd-ring-ref", "vbd-ring-order", "vbd-index")
BELLS = ("vif-bells", "vbd-bells")
REFUSED = {
    "vif-bad-packets": "8 errors of 8",
    "vif-oversized": "4 errors of 4",
    "vbd-bad-requests": "26 errors of 26, good ones fail: 0",
    "vbd-read-only-page": "reading fails: 1",
}
NOISE = ("vif-noise", "vbd-noise", "vif-bad-buffers")


@pytest.fixture
def bystander(networked, world):
    """Guests that talk and work all the time, on the same network; neither may notice anything."""
    path = sparse_file(networked, MIB, "honest.img")
    web = networked.create("httpd", memory=8, vifs=[{"bridge": "net"}], name="web")
    worker = networked.create("blkcheck", memory=16, vbds=[{"target": str(path)}], cmdline="mode=verify loop=1",
                              name="worker")
    address = address_of(networked, web)
    yield address
    assert world.status_of(f"http://{address}/100k") == "200"
    world.ping(address)
    await_served(networked, worker)
    read = count(networked, worker, "vbd", "read_bytes")
    host.until(lambda: count(networked, worker, "vbd", "read_bytes") > read + MIB, what="the worker works")
    assert count(networked, worker, "vbd", "errors") == 0
    assert networked.process.poll() is None


def make_bad(daemon, fault, client=None):
    kind = fault.split("-")[0]
    devices = {"vifs": [{"bridge": "net"}]} if kind == "vif" else {"vbds": [{"target": str(sparse_file(daemon, MIB))}]}
    return kind, daemon.create("fault", client, cmdline=f"fault={fault}", name="bad", **devices)


@pytest.mark.parametrize("fault", STOPPED_VIFS + STOPPED_VBDS)
def test_device_is_stopped(networked, world, bystander, fault):
    events = Events(networked)
    kind, bad = make_bad(networked, fault)
    if fault == "vif-rx-index":  # its ring is looked at when there is something for it
        world.run("ping", "-n", "-c", 1, "-W", "0.1", address_of(networked, bad), check=False)
    await_stopped(networked, bad, kind)
    stop_is_told(networked, bad, kind, events)


def stop_is_told(networked, bad, kind, events):
    """Wherever somebody could look for it; the guest itself goes on."""
    why = device_of(networked, bad, kind)["stopped"]
    assert len(why) > 10
    assert why in networked.log_text()
    assert why in networked.cli("info", "bad").stdout
    assert why in events.wait("device_stopped", id=bad["id"])["detail"]
    Console(networked, bad).read_until(b"the backend has left")
    assert networked.client().call("domain.get", name="bad")["state"] in ("running", "blocked")


@pytest.mark.parametrize("fault", BELLS)
def test_rings_without_end(networked, world, bystander, fault):
    """Served are the others in any case. A busy machine hears it too seldom for it to be a burden, and to be stopped."""
    events = Events(networked)
    kind, bad = make_bad(networked, fault)
    for _ in range(20 if networked.driver == "xen" else 400):  # in an emulated machine each takes long
        assert world.status_of(f"http://{bystander}/1k") == "200"
        if device_of(networked, bad, kind).get("stopped"):
            return stop_is_told(networked, bad, kind, events)
    pytest.skip("this machine is too busy for it to ring often enough")


@pytest.mark.parametrize("fault", REFUSED)
def test_request_is_refused(networked, bystander, fault):
    """And no more than that."""
    kind, bad = make_bad(networked, fault)
    Console(networked, bad).read_until(REFUSED[fault].encode())
    device = device_of(networked, bad, kind)
    assert device["backend"] == "connected" and not device.get("stopped")
    assert device["counters"]["errors"] > 0


@pytest.mark.parametrize("fault", NOISE)
def test_noise(networked, world, bystander, fault):
    """Whatever it does, it is the only one who has it."""
    kind, bad = make_bad(networked, fault)
    if kind == "vif":  # so that there is something for it
        knocking = world.start("ping", "-n", "-q", "-i", "0.01", address_of(networked, bad), stdout=subprocess.DEVNULL)
    for _ in range(4 if networked.driver == "xen" else 20):  # in an emulated machine each takes long
        assert world.status_of(f"http://{bystander}/1k") == "200"
    if kind == "vif":
        knocking.kill()
    networked.client().call("domain.destroy", id=bad["id"])
    assert networked.names() == ["web", "worker"]


def test_stopped_device_stays_stopped_over_a_restart(networked, bystander):
    kind, bad = make_bad(networked, "vif-tx-index")
    await_stopped(networked, bad, kind)
    networked.kill()
    networked.start()
    assert device_of(networked, bad, kind)["backend"] != "connected"


def test_stopped_device_can_be_replaced(networked, bystander):
    kind, bad = make_bad(networked, "vif-tx-index")
    await_stopped(networked, bad, kind)
    address = address_of(networked, bad)
    client = networked.client()
    client.call("domain.detach", id=bad["id"], type="vif", device=0, timeout_ms=200)
    client.call("domain.attach", id=bad["id"], vif={"bridge": "net"})
    assert address_of(networked, bad) == address


def test_many_bad_guests_leave_nothing_behind(networked, bystander):
    client = networked.client()

    def round_of_them():
        for fault in ("vif-tx-index", "vif-ring-ref", "vbd-index", "vbd-ring-ref"):
            kind, bad = make_bad(networked, fault, client)
            await_stopped(networked, bad, kind)
            client.call("domain.destroy", id=bad["id"])
        networked.await_full_pool(client)

    round_of_them()
    before = networked.held()
    for _ in range(3):
        round_of_them()
    networked.await_no_more_held(before)


def test_crash_with_devices(networked, bystander):
    """The backends let go of a guest that dies at work."""
    events = Events(networked)
    path = sparse_file(networked, MIB)
    bad = networked.create("fault", wait="created", cmdline="fault=wild-write", vifs=[{"bridge": "net"}],
                           vbds=[{"target": str(path)}])
    events.wait("crashed", id=bad["id"])
    networked.create("noop", vifs=[{"bridge": "net"}], vbds=[{"target": str(path)}], name="next")
