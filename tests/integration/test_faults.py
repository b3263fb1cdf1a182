# SPDX-License-Identifier: Apache-2.0
"""Guests that misbehave: the right reason, and nobody else is hurt."""

import pytest

from rig import host
from rig.console import Console
from rig.events import Events
from rig.rpc import RpcError

only_xen = pytest.mark.drivers("xen", reason="attacks through hypercalls, which other drivers have not")
only_kvm = pytest.mark.drivers("kvm", reason="attacks through ports that a guest may use, which other drivers have not")
not_xen = pytest.mark.drivers("process", "kvm", reason="attacks what Xen's guests have not, or may use")
SYSTEM_CALLS = ("syscall", "open", "bad-syscall-args")
DEADLY = ("wild-read", "wild-write", "jump", "null-write", "null-jump", "stack-overflow", "corrupt-device-page",
          *SYSTEM_CALLS, "memory", "triple-fault",
          *(pytest.param(fault, marks=not_xen) for fault in ("page-table-write", "hlt", "port-io", "port-in", "port-byte",
                                                             "port-between", "string-io")))
LIVE_ON = ("console-flood", "doorbell-flood", "corrupt-control-page", "corrupt-console-ring", "corrupt-grants", "spin",
           pytest.param("corrupt-event-page", marks=not_xen), pytest.param("start-vcpu-flood", marks=only_kvm),
           pytest.param("close-ports", marks=only_xen), pytest.param("hypercall-flood", marks=only_xen))


def how_it_ends(daemon, fault):
    """A word of it. Every kind of fault is the same to a real machine."""
    if fault == "memory":
        return "out of memory"
    if daemon.driver == "kvm" and fault in ("port-in", "port-byte", "port-between"):
        return "that it may not"
    if daemon.driver == "process" and fault in SYSTEM_CALLS:
        return "forbids"
    return daemon.behind.crash


@pytest.fixture
def bystander(daemon, client):
    """An honest guest that must neither end nor stall."""
    domain = daemon.create("echo", client, name="bystander")
    yield domain
    console = Console(daemon, domain)
    console.type("alive\n")
    console.read_until(b"alive")
    other = daemon.create("noop", client, name="another")
    assert client.call("domain.get", id=other["id"])["state"] in ("running", "blocked")


@pytest.mark.parametrize("ready", (0, 1))
@pytest.mark.parametrize("fault", DEADLY)
def test_deadly_fault(daemon, client, bystander, fault, ready):
    events = Events(daemon)
    domain = daemon.create("fault", client, wait="created", cmdline=f"fault={fault} ready={ready}")
    event = events.wait("crashed", id=domain["id"])
    assert how_it_ends(daemon, fault) in event["detail"]
    host.until(lambda: daemon.names() == ["bystander"], what="the crashed domain is gone")


@pytest.mark.parametrize("fault", DEADLY)
def test_crashed_domain_can_be_preserved(daemon, client, fault):
    events = Events(daemon)
    domain = daemon.create("fault", client, wait="created", cmdline=f"fault={fault}", on_crash="preserve")
    events.wait("crashed", id=domain["id"])
    info = client.call("domain.get", id=domain["id"])
    assert info["state"] == "crashed"
    assert how_it_ends(daemon, fault) in info["ended"]["how"]
    client.call("domain.destroy", id=domain["id"])


def test_wait_ready_of_a_guest_that_crashes(daemon, client, bystander):
    with pytest.raises(RpcError) as error:
        daemon.create("fault", client, cmdline="fault=wild-read ready=0")
    assert error.value.name == "guest_died"
    assert daemon.behind.crash in error.value.message


@pytest.mark.parametrize("fault", LIVE_ON)
def test_fault_that_hurts_only_itself(daemon, client, bystander, fault):
    domain = daemon.create("fault", client, wait="created", name="bad", cmdline=f"fault={fault} ready=1")
    for _ in range(10):
        other = daemon.create("noop", client)
        client.call("domain.destroy", id=other["id"])
    if "bad" in daemon.names():
        client.call("domain.destroy", id=domain["id"])
    assert daemon.names() == ["bystander"]


def test_doorbell_flood_leaves_cpu_for_others(daemon, client, bystander):
    flooders = [daemon.create("fault", client, cmdline="fault=doorbell-flood ready=1") for _ in range(4)]
    for _ in range(50):
        other = daemon.create("noop", client)
        client.call("domain.destroy", id=other["id"])
    for domain in flooders:
        client.call("domain.destroy", id=domain["id"])


def test_never_ready_times_out(daemon, client, bystander):
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config=daemon.config("fault", cmdline="fault=never-ready"), wait="ready",
                    timeout_ms=300)
    assert error.value.name == "timed_out"


def test_never_ready_can_be_created(daemon, client, bystander):
    domain = daemon.create("fault", client, wait="created", cmdline="fault=never-ready")
    assert client.call("domain.get", id=domain["id"])["ready"] is False
    client.call("domain.destroy", id=domain["id"])


@only_kvm
def test_power_off_many_times_at_once(daemon, client, bystander):
    """With one instruction, each time with another exit code: the first one counts."""
    events = Events(daemon)
    domain = daemon.create("fault", client, wait="created", cmdline="fault=shutdown-string ready=1")
    assert events.wait("shutdown", id=domain["id"])["exit_code"] == 7


@only_kvm
def test_starts_vcpus_that_there_are_and_are_not(daemon, client, bystander):
    """Those that there are begin at nothing."""
    events = Events(daemon)
    domain = daemon.create("fault", client, wait="created", cmdline="fault=start-vcpu-flood", vcpus={"count": 4})
    assert daemon.behind.crash in events.wait("crashed", id=domain["id"])["detail"]


@pytest.mark.parametrize("fault", ("wild-write", "stack-overflow", pytest.param("port-io", marks=not_xen),
                                   pytest.param("spin", marks=only_kvm)))
def test_crashes_leave_nothing_behind(daemon, client, fault):
    events = Events(daemon)
    client.call("pool.set", memory=4, vcpus=1, floor=4, ceiling=4)

    def round_of_crashes():
        for domain in daemon.create("fault", client, wait="created", count=20, cmdline=f"fault={fault}"):
            if fault == "spin":
                client.call("domain.destroy", id=domain["id"])
            else:
                events.wait("crashed", id=domain["id"])
        daemon.await_full_pool(client)

    round_of_crashes()
    before = daemon.held()
    for _ in range(5):
        round_of_crashes()
    daemon.await_no_more_held(before)


def test_exit_without_a_word(daemon, client, bystander):
    events = Events(daemon)
    domain = daemon.create("fault", client, wait="created", cmdline="fault=exit ready=1")
    events.wait("shutdown", id=domain["id"])


def test_crash_loop_is_bounded(daemon, client, bystander):
    events = Events(daemon)
    daemon.create("fault", client, wait="created", name="loop", cmdline="fault=wild-read", on_crash="restart")
    host.until(lambda: any(d["name"] == "loop" and d["state"] == "crashed"
                           for d in client.call("domain.list")["domains"]), what="the loop was given up")
    events.wait("rebooted")
    client.call("domain.destroy", name="loop")


def test_killed_from_outside(daemon, client, bystander):
    events = Events(daemon)
    domain = daemon.create("noop", client)
    daemon.behind.kill(daemon.behind.body_of(domain))
    event = events.wait("crashed", id=domain["id"])
    assert daemon.behind.killed in event["detail"]
