# SPDX-License-Identifier: Apache-2.0
"""Guests that compute for ever and never leave their code: they can be steered, and nobody else waits for them."""

import os

import pytest

from rig import host
from rig.console import Console
from rig.events import Events

SPINNERS = 2 * (os.cpu_count() or 1)


@pytest.fixture
def spinners(daemon, client):
    """More of them than processors."""
    return daemon.create("spin", client, count=SPINNERS, name="spin")


def test_list_shows_them_running(daemon, client, spinners):
    states = {domain["name"]: domain["state"] for domain in client.call("domain.list")["domains"]}
    assert states == {f"spin-{i + 1}": "running" for i in range(SPINNERS)}


def test_pause_stops_each(daemon, client, spinners):
    behind = daemon.behind
    bodies = list(map(behind.body_of, spinners))
    for domain in spinners:
        client.call("domain.pause", id=domain["id"])
    used = list(map(behind.await_stop, bodies))
    daemon.create("hello", client, wait="created")  # something else happens meanwhile
    assert list(map(behind.cpu_ns, bodies)) == used
    for domain in spinners:
        client.call("domain.unpause", id=domain["id"])
    host.until(lambda: all(now > before for now, before in zip(map(behind.cpu_ns, bodies), used)), what="all run again")


def test_destroy_ends_each(daemon, client, spinners):
    bodies = list(map(daemon.behind.body_of, spinners))
    for domain in spinners[1:]:
        client.call("domain.destroy", id=domain["id"])
    assert daemon.names() == ["spin-1"]
    client.call("domain.destroy", all=True)
    host.until(lambda: not any(map(daemon.behind.is_alive, bodies)), what="all are gone")


def test_destroy_while_paused(daemon, client, spinners):
    for domain in spinners:
        client.call("domain.pause", id=domain["id"])
        client.call("domain.destroy", id=domain["id"])
    assert daemon.names() == []


def test_others_are_made_and_answer(daemon, client, spinners):
    """The pool is refilled too, though it makes its shells at a lower priority."""
    domain = daemon.create("echo", client, name="bystander")
    console = Console(daemon, domain)
    for word in ("one", "two", "three"):
        console.type(f"{word}\n")
        console.read_until(word.encode())
    for _ in range(10):
        other = daemon.create("noop", client)
        client.call("domain.destroy", id=other["id"])
    daemon.await_full_pool(client)


def test_forced_shutdown(make_daemon):
    daemon = make_daemon(config={"shutdown_grace_ms": 100})
    client, events = daemon.client(), Events(daemon)
    spinners = daemon.create("spin", client, count=SPINNERS)
    for domain in spinners:
        client.call("domain.shutdown", id=domain["id"])
    for domain in spinners:
        events.wait("destroyed", id=domain["id"])
    assert daemon.names() == []


def test_adopted(daemon, client, spinners):
    bodies = list(map(daemon.behind.body_of, spinners))
    daemon.kill()
    daemon.start()
    client = daemon.client()
    assert {domain["state"] for domain in client.call("domain.list")["domains"]} == {"running"}
    client.call("domain.destroy", all=True)
    host.until(lambda: not any(map(daemon.behind.is_alive, bodies)), what="all are gone")
