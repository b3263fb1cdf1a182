# SPDX-License-Identifier: Apache-2.0
"""Shells prepared ahead: flavours, refill, falling back when there is none."""

import pytest

from rig import host
from rig.rpc import RpcError


def flavour(client, memory_mib):
    for entry in client.call("pool.status")["flavours"]:
        if entry["memory_bytes"] == memory_mib << 20:
            return entry
    return None


def fill(client, memory, floor, ceiling=None):
    client.call("pool.set", memory=memory, vcpus=1, floor=floor, ceiling=floor if ceiling is None else ceiling)
    host.until(lambda: flavour(client, memory)["ready"] >= floor, what=f"{floor} shells of {memory} MiB")


def test_pool_fills_to_its_floor(daemon, client):
    fill(client, 4, 20)
    assert flavour(client, 4)["ready"] == 20


def test_launch_takes_a_shell_and_it_is_replaced(daemon, client):
    fill(client, 4, 8)
    hits = flavour(client, 4)["hits"]
    domain = daemon.create("noop", client)
    assert domain["timing"]["from_pool"] is True
    assert flavour(client, 4)["hits"] == hits + 1
    host.until(lambda: flavour(client, 4)["ready"] == 8, what="the pool is full again")


def test_several_flavours(daemon, client):
    for memory in (4, 8, 16):
        fill(client, memory, 4)
    for memory in (4, 8, 16):
        assert daemon.create("noop", client, memory=memory)["timing"]["from_pool"] is True
    assert daemon.create("noop", client, memory=32)["timing"]["from_pool"] is False


def test_empty_pool_counts_a_miss(daemon, client):
    client.call("pool.set", memory=4, vcpus=1, floor=0, ceiling=0)
    assert flavour(client, 4) is None
    assert daemon.create("noop", client)["timing"]["from_pool"] is False


def test_burst_drains_and_refills(daemon, client):
    fill(client, 4, 16, 32)
    domains = daemon.create("noop", client, count=100)
    assert len(domains) == 100
    host.until(lambda: flavour(client, 4)["ready"] >= 16, what="the pool is full again")


def test_removing_a_flavour_removes_its_shells(daemon, client):
    fill(client, 4, 10)
    before = len(daemon.behind.bodies())
    client.call("pool.set", memory=4, vcpus=1, floor=0, ceiling=0)
    host.until(lambda: len(daemon.behind.bodies()) <= before - 10, what="ten shells fewer")


@pytest.mark.parametrize("bad", [
    {"memory": 4, "floor": 10, "ceiling": 5},
    {"memory": "lots", "floor": 1, "ceiling": 1},
    {"memory": 4, "floor": -1, "ceiling": 1},
    {"memory": 0, "floor": 1, "ceiling": 1},
    {"memory": 4, "floor": 1, "ceiling": 10**9},
])
def test_pool_set_refuses(client, bad):
    with pytest.raises(RpcError):
        client.call("pool.set", {"vcpus": 1, **bad})


def test_dead_shell_is_never_handed_out(daemon, client):
    fill(client, 4, 8)
    for body in daemon.behind.bodies():
        daemon.behind.kill(body)
    for _ in range(20):  # at once: the daemon may not have heard of it
        domain = daemon.create("noop", client)
        assert domain["state"] in ("running", "blocked")


def test_cli_pool(daemon):
    assert daemon.cli("pool").returncode == 0
