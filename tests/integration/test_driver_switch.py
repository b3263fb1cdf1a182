# SPDX-License-Identifier: Apache-2.0
"""A daemon that is started again with another driver: its guests are still its guests, of the kind that they were."""

import os

import pytest

from rig import host
from rig.behind import BEHIND
from rig.console import Console
from rig.events import Events

pytestmark = [pytest.mark.drivers("kvm", reason="about guests of kvm and of process behind one chaos-hv"),
              pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what stands behind a guest")]
OTHER = {"kvm": "process", "process": "kvm"}


@pytest.fixture(params=OTHER)
def first(request):
    """The driver that the guests are made with."""
    return request.param


def is_machine(daemon, domain):
    """Whether a virtual machine stands behind it."""
    return any("kvm-vcpu" in name for name in host.descriptors(daemon.behind.body_of(domain)).values())


def talk(daemon, domain, word):
    console = Console(daemon, domain)
    console.type(f"{word}\n")
    console.read_until(word.encode())


def switch(daemon, ending):
    """Ends the daemon and starts it with the other driver."""
    getattr(daemon, ending)()
    daemon.driver = OTHER[daemon.driver]
    daemon.start()
    assert daemon.client().call("daemon.info")["driver"]["name"] == daemon.driver


@pytest.fixture
def daemon(make_daemon, first):
    daemon = make_daemon(start=False)
    daemon.driver = first
    return daemon.start()


@pytest.mark.parametrize("ending", ("terminate", "kill"))
def test_guests_are_adopted(daemon, first, ending):
    old = daemon.create("echo", name="old")
    talk(daemon, old, "before")
    body = daemon.behind.body_of(old)
    switch(daemon, ending)
    assert daemon.names() == ["old"] and daemon.behind.body_of(old) == body
    talk(daemon, old, "after")
    new = daemon.create("echo", name="new")
    talk(daemon, new, "fresh")
    assert [is_machine(daemon, domain) for domain in (old, new)] == [first == "kvm", first != "kvm"]
    told = [daemon.client().call("domain.get", id=domain["id"])["driver"] for domain in (old, new)]
    assert told == [first, OTHER[first]]
    client = daemon.client()
    client.call("domain.pause", id=old["id"])
    host.until(lambda: daemon.behind.is_stopped(body), what="it has stopped")
    client.call("domain.unpause", id=old["id"])
    talk(daemon, old, "again")
    client.call("domain.destroy", id=old["id"])
    assert not daemon.behind.is_alive(body) and daemon.names() == ["new"]


def test_shells_of_the_other_driver_are_not_used(daemon, first):
    """A domain of this daemon is of its driver, whatever was prepared before."""
    daemon.client().call("pool.set", memory=4, vcpus=1, floor=8, ceiling=8)
    daemon.await_full_pool()
    switch(daemon, "terminate")
    for _ in range(20):
        assert is_machine(daemon, daemon.create("noop")) == (first != "kvm")


def test_guest_reboots_as_one_of_the_new_driver(daemon, first):
    old = daemon.create("noop", name="web")
    switch(daemon, "terminate")
    client, events = daemon.client(), Events(daemon)
    client.call("domain.reboot", id=old["id"])
    events.wait("rebooted", id=old["id"])
    (again,) = host.until(lambda: client.call("domain.list")["domains"], what="its successor")
    events.wait("ready", id=again["id"])
    assert is_machine(daemon, again) == (first != "kvm")


def test_deaths_are_told_in_the_words_of_their_driver(daemon, first):
    old = daemon.create("fault", wait="created", cmdline="fault=wild-read", paused=True)
    switch(daemon, "kill")
    events = Events(daemon)
    daemon.client().call("domain.unpause", id=old["id"])
    said = events.wait("crashed", id=old["id"])["detail"]
    assert BEHIND[first].crash in said


def test_to_and_fro(daemon):
    """Guests of both, and each daemon has them all."""
    made = []
    for round_ in range(4):
        made.append(daemon.create("echo", name=f"guest-{round_}"))
        switch(daemon, "kill" if round_ % 2 else "terminate")
        for domain in made:
            talk(daemon, domain, f"round-{round_}")
    kinds = [is_machine(daemon, domain) for domain in made]
    assert kinds[0] == kinds[2] != kinds[1] == kinds[3]
    daemon.client().call("domain.destroy", all=True)
    assert daemon.names() == [] and daemon.domain_files() == []


def test_vcpus_of_an_adopted_guest(make_daemon):
    """More than the driver of the daemon gives to its own."""
    daemon = make_daemon()
    domain = daemon.create("smp", vcpus={"count": 4}, cmdline="wait=1")
    body = daemon.behind.body_of(domain)
    switch(daemon, "terminate")
    client = daemon.client()
    assert client.call("daemon.info")["driver"]["max_vcpus"] == 1
    assert client.call("domain.get", id=domain["id"])["vcpus"] == 4 == len(host.threads(body))
    Console(daemon, domain).read_until(b"smp: 4 vCPUs, sum")
    client.call("domain.shutdown", id=domain["id"], wait=True)
    assert not daemon.behind.is_alive(body)
