# SPDX-License-Identifier: Apache-2.0
"""Shells with room for devices: a launch only fills in which ones they are."""

import pytest

from rig import host
from rig.devices import address_of, await_served, devices_of, sparse_file
from rig.rpc import RpcError

MIB = 1 << 20
VIF_AND_VBD = {"vifs": 1, "vbds": 1}


def flavour(client, memory=8, vifs=0, vbds=0):
    for entry in client.call("pool.status")["flavours"]:
        if (entry["memory_bytes"], entry["vifs"], entry["vbds"]) == (memory * MIB, vifs, vbds):
            return entry
    return None


def fill(client, floor=4, memory=8, **shape):
    client.call("pool.set", memory=memory, vcpus=1, floor=floor, ceiling=floor, **shape)
    host.until(lambda: (flavour(client, memory, **shape) or {"ready": 0})["ready"] >= floor, what="the shells are ready")


@pytest.fixture
def daemon(make_daemon):
    return make_daemon(config={"pool": []})


def test_launch_with_devices_from_the_pool(networked, world):
    client = networked.client()
    fill(client, vifs=1)
    for _ in range(10):
        guest = networked.create("httpd", client, memory=8, vifs=[{"bridge": "net"}])
        assert world.status_of(f"http://{address_of(networked, guest)}/") == "200"
        assert guest["timing"]["from_pool"] is True
        networked.await_full_pool(client)


def test_both_kinds(daemon):
    client = daemon.client()
    fill(client, memory=16, **VIF_AND_VBD)
    path = sparse_file(daemon, MIB)
    guest = daemon.create("blkcheck", client, memory=16, vifs=[{}], vbds=[{"target": str(path)}],
                          cmdline="mode=verify loop=1")
    assert guest["timing"]["from_pool"] is True
    host.until(lambda: any(d["type"] == "vbd" and d["counters"]["reads"] > 0 for d in devices_of(daemon, guest)),
               what="the disk is read")


def test_shape_has_to_fit(daemon):
    """Neither more nor fewer devices than the shell was prepared for."""
    client = daemon.client()
    fill(client, memory=8, **VIF_AND_VBD)
    path = str(sparse_file(daemon, MIB))
    for devices in ({}, {"vifs": [{}]}, {"vbds": [{"target": path}]}, {"vifs": [{}, {}], "vbds": [{"target": path}]}):
        guest = daemon.create("noop", client, memory=8, **devices)
        assert guest["timing"]["from_pool"] is False, devices
        assert len(devices_of(daemon, guest)) == sum(map(len, devices.values()))
        client.call("domain.destroy", id=guest["id"])
    assert flavour(client, **VIF_AND_VBD)["ready"] == 4


def test_failed_launch_gives_all_back(daemon):
    """What was planned for it is free again, and the pool is as full as before."""
    client = daemon.client()
    fill(client, memory=8, **VIF_AND_VBD)
    path = str(sparse_file(daemon, MIB))
    before = daemon.held()
    for _ in range(20):
        with pytest.raises(RpcError):
            daemon.create("noop", client, memory=8, vifs=[{}], vbds=[{"target": path}], kernel="/dev/null")
    daemon.await_full_pool(client)
    daemon.await_no_more_held(before)
    assert daemon.create("noop", client, memory=8, vifs=[{}], vbds=[{"target": path}])["timing"]["from_pool"] is True


def test_cycles_with_devices_leave_nothing_behind(daemon):
    client = daemon.client()
    fill(client, memory=8, vifs=1)

    def cycle():
        for guest in daemon.create("httpd", client, memory=8, vifs=[{}], count=10):
            await_served(daemon, guest)
        client.call("domain.destroy", all=True)
        daemon.await_full_pool(client)

    cycle()
    before = daemon.held()
    for _ in range(4):
        cycle()
    daemon.await_no_more_held(before)


def test_pool_in_the_settings(make_daemon):
    daemon = make_daemon(config={"pool": [{"memory": "8MiB", "floor": 2, "ceiling": 2, "vifs": 1, "vbds": 2}]})
    client = daemon.client()
    host.until(lambda: flavour(client, vifs=1, vbds=2)["ready"] == 2, what="the shells are ready")
    assert daemon.cli("pool").returncode == 0


def test_pool_verb(daemon):
    made = daemon.cli("pool", "set", "--memory", "8MiB", "--vifs", "1", "--vbds", "1", "--floor", "2", "--ceiling", "2")
    assert made.returncode == 0, made.stderr
    assert flavour(daemon.client(), **VIF_AND_VBD)["floor"] == 2


@pytest.mark.parametrize("shape", ({"vifs": -1}, {"vifs": 1000}, {"vbds": "many"}, {"vbds": 1000}))
def test_shape_that_can_not_be(daemon, shape):
    with pytest.raises(RpcError):
        daemon.client().call("pool.set", memory=8, vcpus=1, floor=1, ceiling=1, **shape)
    assert daemon.client().call("pool.status")["flavours"] == []
