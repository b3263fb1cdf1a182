# SPDX-License-Identifier: Apache-2.0
"""Guests with several virtual processors."""

import os

import pytest

from rig import host
from rig.console import Console
from rig.events import Events
from rig.rpc import RpcError

only_kvm = pytest.mark.drivers("kvm", reason="this driver runs one vCPU a guest")
MOST = 64  # that a configuration may ask for
SUM = 500000500000  # guest-shims/guests/smp.cpp: of 1 to 1,000,000


def create(daemon, client, vcpus, image="smp", /, cmdline="wait=1", **keys):
    return daemon.create(image, client, vcpus={"count": vcpus, **keys.pop("cpus", {})}, memory=8, cmdline=cmdline,
                         **keys)


def await_sum(daemon, domain, vcpus):
    Console(daemon, domain).read_until(f"smp: {vcpus} vCPUs, sum {SUM}\n".encode())


@pytest.mark.parametrize("vcpus", (1, pytest.param(2, marks=only_kvm), pytest.param(4, marks=only_kvm),
                                   pytest.param(64, marks=only_kvm)))
def test_all_vcpus_work(daemon, client, vcpus):
    domain = create(daemon, client, vcpus)
    await_sum(daemon, domain, vcpus)
    assert client.call("domain.get", id=domain["id"])["vcpus"] == vcpus
    host.until(lambda: client.call("domain.get", id=domain["id"])["state"] == "blocked", what="all vCPUs wait")
    client.call("domain.shutdown", id=domain["id"], wait=True)
    assert daemon.names() == []


@only_kvm
def test_power_off_by_itself(daemon, client):
    domain = create(daemon, client, 4, cmdline="", wait="created")
    assert client.call("domain.wait", id=domain["id"])["exit_code"] == 0


@only_kvm
def test_from_the_pool(daemon, client):
    client.call("pool.set", memory=8, vcpus=4, floor=3, ceiling=3)
    daemon.await_full_pool(client)
    domains = [create(daemon, client, 4) for _ in range(3)]
    assert any(domain["timing"]["from_pool"] for domain in domains)
    for domain in domains:
        await_sum(daemon, domain, 4)


@only_kvm
def test_a_guest_that_starts_only_its_first(daemon, client):
    """The others wait where they were made, and end with it."""
    domain = create(daemon, client, 8, "noop", cmdline="")
    body = daemon.behind.body_of(domain)
    assert len(host.threads(body)) == 8
    host.until(lambda: client.call("domain.get", id=domain["id"])["state"] == "blocked", what="its one vCPU waits")
    client.call("domain.destroy", id=domain["id"])
    host.until(lambda: not daemon.behind.is_alive(body), what="it is gone")


@only_kvm
@pytest.mark.parametrize("vcpus", (2, 16))
def test_pause_and_unpause_all(daemon, client, vcpus):
    behind, domain = daemon.behind, create(daemon, client, vcpus, cmdline="busy=1")
    body = behind.body_of(domain)
    for _ in range(10):
        client.call("domain.pause", id=domain["id"])
        used = behind.await_stop(body)
        daemon.client().call("daemon.info")  # something else happens meanwhile
        assert behind.cpu_ns(body) == used
        client.call("domain.unpause", id=domain["id"])
        host.until(lambda: behind.cpu_ns(body) > used, what="the guest runs again")


@only_kvm
@pytest.mark.parametrize("state", ("running", "paused", "never started"))
def test_destroy(daemon, client, state):
    """At once, whatever its vCPUs do."""
    domain = create(daemon, client, 16, cmdline="busy=1", wait="created", paused=state == "never started")
    body = daemon.behind.body_of(domain)
    if state == "paused":
        client.call("domain.pause", id=domain["id"])
    client.call("domain.destroy", id=domain["id"])
    host.until(lambda: not daemon.behind.is_alive(body), what="it is gone")
    assert daemon.names() == []


def allowed_cpus(pid):
    """Of each thread."""
    return [status["Cpus_allowed_list"].strip() for status in host.thread_statuses(pid)]


@only_kvm
def test_cpumap_binds_all(daemon, client):
    last = max(os.sched_getaffinity(0))
    domain = create(daemon, client, 4, cpus={"cpumap": [last]})
    assert allowed_cpus(daemon.behind.body_of(domain)) == [str(last)] * 4
    await_sum(daemon, domain, 4)
    free = create(daemon, client, 4)
    assert str(last) not in allowed_cpus(daemon.behind.body_of(free)) or last == 0


@only_kvm
def test_crash_of_any_vcpu_ends_the_guest(daemon, client):
    """Several crash at once: there is one end, and one record of it."""
    events = Events(daemon)
    domain = daemon.create("smp", client, wait="created", vcpus={"count": 4}, memory=8, cmdline="crash=1")
    event = events.wait("crashed", id=domain["id"])
    assert daemon.behind.crash in event["detail"]
    assert "0xdead0000" in event["detail"] or not daemon.behind.keeps_registers
    host.until(lambda: daemon.names() == [], what="it is gone")
    assert events.kinds_of(domain).count("crashed") == 1


def test_more_vcpus_than_the_driver_runs(daemon, client):
    most = min(client.call("daemon.info")["driver"]["max_vcpus"], MOST)
    daemon.await_full_pool(client)
    bodies = sorted(daemon.behind.bodies())
    for vcpus in (most + 1, 1000):
        with pytest.raises(RpcError) as error:
            create(daemon, client, vcpus)
        said = error.value.message
        assert "vcpus" in said and str(vcpus) in said and f"{most}" in said, said
    assert daemon.names() == [] and daemon.domain_files() == []
    assert sorted(daemon.behind.bodies()) == bodies


@only_kvm
def test_many_guests_with_several(daemon, client):
    """More threads than processors by far; nobody is forgotten."""
    domains = [create(daemon, client, 4) for _ in range(20)]
    for domain in domains:
        await_sum(daemon, domain, 4)
    client.call("domain.destroy", all=True)
    assert daemon.names() == []


@only_kvm
def test_adopted_with_all_its_vcpus(daemon, client):
    domain = create(daemon, client, 4, name="four")
    await_sum(daemon, domain, 4)
    body = daemon.behind.body_of(domain)
    daemon.kill()
    daemon.start()
    client = daemon.client()
    assert client.call("domain.get", name="four")["vcpus"] == 4
    client.call("domain.pause", name="four")
    host.until(lambda: daemon.behind.is_stopped(body), what="all vCPUs have stopped")
    client.call("domain.unpause", name="four")
    client.call("domain.shutdown", name="four", wait=True)
    assert daemon.names() == []
