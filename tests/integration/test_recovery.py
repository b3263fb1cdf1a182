# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon and of the owner of the domains."""

import os
import random
import signal
import threading

import pytest

from rig import host
from rig.console import Console
from rig.events import Events
from rig.rpc import Disconnected, RpcError


only_with_chaos_hv = pytest.mark.drivers("process", "kvm", reason="no other driver has an owner of domains that can be killed")


def echo_round_trip(daemon, domain, word):
    console = Console(daemon, domain, history=False)
    console.type(word + "\n")
    console.read_until(word.encode())


def test_guests_outlive_their_daemon(daemon):
    domain = daemon.create("echo", name="survivor")
    echo_round_trip(daemon, domain, "before")
    body = daemon.behind.body_of(domain)
    daemon.kill()
    assert daemon.behind.is_alive(body)
    daemon.start()
    info = daemon.client().call("domain.get", name="survivor")
    assert info["id"] == domain["id"]
    assert daemon.behind.body_of(domain) == body
    echo_round_trip(daemon, domain, "after")


def test_console_history_outlives_the_daemon(daemon):
    domain = daemon.create("echo")
    echo_round_trip(daemon, domain, "remember-me")
    daemon.kill()
    daemon.start()
    Console(daemon, domain).read_until(b"remember-me")


def test_clean_stop_keeps_guests(daemon):
    domain = daemon.create("echo", name="survivor")
    daemon.terminate()
    daemon.start()
    echo_round_trip(daemon, domain, "after")


def test_states_survive(daemon):
    paused = daemon.create("noop", name="paused")
    daemon.client().call("domain.pause", id=paused["id"])
    never_started = daemon.create("noop", name="never", wait="created", paused=True)
    daemon.kill()
    daemon.start()
    client = daemon.client()
    for domain in (paused, never_started):
        assert client.call("domain.get", id=domain["id"])["state"] == "paused"
    events = Events(daemon)
    client.call("domain.unpause", id=never_started["id"])
    events.wait("ready", id=never_started["id"])


def test_guest_that_ended_meanwhile(daemon):
    domain = daemon.create("noop", name="gone")
    body = daemon.behind.body_of(domain)
    daemon.kill()
    daemon.behind.kill(body)
    daemon.start()
    host.until(lambda: daemon.names() == [], what="the ended domain is cleared")
    assert daemon.domain_files() == []


def test_damaged_record_is_set_aside(daemon):
    daemon.create("noop", name="good")
    daemon.create("noop", name="bad")
    daemon.kill()
    for path in (daemon.state / "domains").glob("*.json"):
        if '"bad"' in path.read_text():
            path.write_text("{ damaged")
    daemon.start()
    assert daemon.names() == ["good"]
    for path in (daemon.state / "domains").glob("*damaged*"):
        path.unlink()


def storm(daemon, stop, made):
    """Creates and destroys until the daemon goes away."""
    chance = random.Random(7)
    try:
        client = daemon.client()
        while not stop.is_set():
            made.append(daemon.create("echo", client, wait=chance.choice(("created", "ready")), console=True))
            if chance.random() < 0.3:
                victim = made.pop(chance.randrange(len(made)))
                client.call("domain.destroy", id=victim["id"])
    except (Disconnected, OSError, TimeoutError):
        pass
    except RpcError as error:
        if error.name not in ("unavailable", "no_such_domain"):
            raise


@pytest.mark.slow
def test_kill_during_a_storm_of_creates(daemon):
    """Fifteen times: the daemon dies at a moment that nobody chose; the next one has everything in order."""
    chance = random.Random(2017)
    for _ in range(15):
        stop, made = threading.Event(), []
        events = Events(daemon)
        workers = [threading.Thread(target=storm, args=(daemon, stop, made)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for _ in range(chance.randrange(1, 40)):
            events.client.notification("event")
        daemon.kill()
        stop.set()
        for worker in workers:
            worker.join(host.DEADLINE)
        daemon.start()
        check_everything_in_order(daemon)
        daemon.client().call("domain.destroy", all=True)
        assert daemon.domain_files() == []


def check_everything_in_order(daemon):
    client = daemon.client()
    domains = client.call("domain.list")["domains"]
    assert daemon.domain_files() == sorted(f"{d['id']}.json" for d in domains)
    assert len({d["name"] for d in domains}) == len(domains)
    bodies = {daemon.behind.body_of(domain) for domain in domains}
    assert len(bodies) == len(domains) and all(map(daemon.behind.is_alive, bodies))
    for domain in domains[:3]:
        host.until(lambda: client.call("domain.get", id=domain["id"])["ready"], what="an adopted guest is ready")
        echo_round_trip(daemon, domain, f"still-{domain['id']}")


@only_with_chaos_hv
def test_owner_of_the_domains_is_killed(daemon):
    client, events = daemon.client(), Events(daemon)
    domains = daemon.create("noop", client, count=5)
    pids = [daemon.behind.body_of(domain) for domain in domains]
    (owner,) = daemon.behind.owner_pids()
    os.kill(owner, signal.SIGKILL)
    for domain in domains:
        events.wait("lost", id=domain["id"])
    assert all(host.wait_end(pid) for pid in pids)
    assert client.call("domain.list")["domains"] == []
    assert daemon.domain_files() == []
    daemon.create("noop", client)
    daemon.owners.update(daemon.behind.owner_pids())


@only_with_chaos_hv
def test_owner_and_daemon_are_killed(daemon):
    daemon.create("noop", count=5)
    (owner,) = daemon.behind.owner_pids()
    daemon.kill()
    os.kill(owner, signal.SIGKILL)
    assert host.wait_end(owner)
    daemon.start()
    assert daemon.names() == []
    assert daemon.domain_files() == []
    daemon.create("noop")
