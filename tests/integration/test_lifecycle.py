# SPDX-License-Identifier: Apache-2.0
"""Create, look at, steer and end domains over the API."""

import pytest

from rig import host
from rig.events import Events
from rig.rpc import RpcError


def get(client, domain):
    return client.call("domain.get", id=domain["id"])


def test_create_waits_for_ready(daemon, client):
    domain = daemon.create("noop", client, name="web")
    assert domain["name"] == "web"
    assert domain["id"] > 0
    assert domain["state"] in ("running", "blocked")
    assert 0 < domain["timing"]["total_us"] <= domain["timing"]["ready_us"]


def test_create_without_waiting(daemon, client):
    events = Events(daemon)
    domain = daemon.create("noop", client, wait="created")
    events.wait("ready", id=domain["id"])


def test_idle_guest_is_blocked(daemon, client):
    domain = daemon.create("noop", client)
    host.until(lambda: get(client, domain)["state"] == "blocked", what="noop waits for an event")


def test_busy_guest_is_running(daemon, client):
    domain = daemon.create("spin", client)
    assert get(client, domain)["state"] == "running"


def test_list_shows_each_domain_once(daemon, client):
    made = [daemon.create("noop", client, name=name)["id"] for name in ("a", "b", "c")]
    listed = client.call("domain.list")["domains"]
    assert sorted(d["id"] for d in listed) == sorted(made)
    assert sorted(d["name"] for d in listed) == ["a", "b", "c"]


def test_domains_are_named_by_name_or_id(daemon, client):
    domain = daemon.create("noop", client, name="web")
    assert client.call("domain.get", name="web")["id"] == domain["id"]
    assert client.call("domain.get", id=domain["id"])["name"] == "web"


def test_count_creates_all(daemon, client):
    domains = daemon.create("noop", client, count=50, name="w")
    assert len({d["id"] for d in domains}) == 50
    assert {d["name"] for d in domains} == {f"w-{i}" for i in range(1, 51)}
    assert len(client.call("domain.list")["domains"]) == 50


def test_count_is_all_or_nothing(daemon, client):
    daemon.create("noop", client, name="w-3")
    with pytest.raises(RpcError) as error:
        daemon.create("noop", client, count=5, name="w")
    assert error.value.name == "name_in_use"
    assert daemon.names() == ["w-3"]


def test_pause_stops_and_unpause_resumes(daemon, client):
    domain = daemon.create("spin", client)
    behind, body = daemon.behind, daemon.behind.body_of(domain)
    client.call("domain.pause", id=domain["id"])
    assert get(client, domain)["state"] == "paused"
    used = behind.await_stop(body)
    daemon.create("noop", client)  # something else happens meanwhile
    assert behind.cpu_ns(body) == used
    client.call("domain.unpause", id=domain["id"])
    assert get(client, domain)["state"] == "running"
    host.until(lambda: behind.cpu_ns(body) > used, what="the guest runs again")


def test_create_paused_starts_on_unpause(daemon, client):
    events = Events(daemon)
    domain = daemon.create("noop", client, wait="created", paused=True)
    assert get(client, domain)["state"] == "paused"
    client.call("domain.unpause", id=domain["id"])
    events.wait("ready", id=domain["id"])


def test_shutdown_asks_the_guest(daemon, client):
    events = Events(daemon)
    domain = daemon.create("noop", client)
    client.call("domain.shutdown", id=domain["id"])
    events.wait("shutdown", id=domain["id"])
    host.until(lambda: daemon.names() == [], what="the domain is gone")


def test_shutdown_forces_a_guest_that_does_not_listen(make_daemon):
    daemon = make_daemon(config={"shutdown_grace_ms": 200})
    client, events = daemon.client(), Events(daemon)
    domain = daemon.create("spin", client)
    client.call("domain.shutdown", id=domain["id"])
    events.wait("destroyed", id=domain["id"])
    assert daemon.names() == []


def test_reboot_gives_a_new_domain_of_the_same_name(daemon, client):
    events = Events(daemon)
    domain = daemon.create("noop", client, name="web")
    client.call("domain.reboot", id=domain["id"])
    events.wait("rebooted", id=domain["id"])
    again = host.until(lambda: next((d for d in client.call("domain.list")["domains"]), None))
    assert again["name"] == "web"
    assert again["id"] != domain["id"]
    events.wait("ready", id=again["id"])


def test_destroy_frees_name_domain_and_files(daemon, client):
    domain = daemon.create("noop", client, name="web")
    body = daemon.behind.body_of(domain)
    client.call("domain.destroy", id=domain["id"])
    host.until(lambda: not daemon.behind.is_alive(body), what="the domain is gone")
    assert daemon.domain_files() == []
    daemon.create("noop", client, name="web")


def test_destroy_all(daemon, client):
    daemon.create("noop", client, count=20)
    client.call("domain.destroy", all=True)
    assert client.call("domain.list")["domains"] == []


def test_rename(daemon, client):
    domain = daemon.create("noop", client, name="old")
    client.call("domain.rename", id=domain["id"], new_name="new")
    assert daemon.names() == ["new"]
    daemon.create("noop", client, name="old")
    with pytest.raises(RpcError) as error:
        client.call("domain.rename", id=domain["id"], new_name="old")
    assert error.value.name == "name_in_use"


def test_name_in_use(daemon, client):
    daemon.create("noop", client, name="web")
    bodies = len(daemon.behind.bodies())
    with pytest.raises(RpcError) as error:
        daemon.create("noop", client, name="web")
    assert error.value.name == "name_in_use"
    assert "web" in error.value.message
    assert daemon.names() == ["web"]
    assert len(daemon.behind.bodies()) >= bodies - 1


@pytest.mark.parametrize("method", ["get", "pause", "unpause", "shutdown", "reboot", "destroy"])
@pytest.mark.parametrize("which", [{"id": 31000}, {"name": "nobody"}])
def test_unknown_domain(client, method, which):
    with pytest.raises(RpcError) as error:
        client.call(f"domain.{method}", which)
    assert error.value.name == "no_such_domain"
    assert str(next(iter(which.values()))) in error.value.message


def test_dry_run_creates_nothing(daemon, client):
    client.call("domain.create", config=daemon.config("noop", name="web"), dry_run=True)
    assert daemon.names() == []
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config=daemon.config("nothing-there"), dry_run=True)
    assert error.value.name in ("not_found", "invalid_config")


def test_guest_exit_code_is_reported(daemon, client):
    events = Events(daemon)
    domain = daemon.create("hello", client, cmdline="exit=7", wait="created")
    event = events.wait("shutdown", id=domain["id"])
    assert event["exit_code"] == 7


def test_on_poweroff_preserve_keeps_the_domain(daemon, client):
    events = Events(daemon)
    domain = daemon.create("hello", client, wait="created", on_poweroff="preserve")
    events.wait("shutdown", id=domain["id"])
    assert get(client, domain)["state"] == "shutdown"
    client.call("domain.destroy", id=domain["id"])


def test_empty_pool_still_creates(daemon, client):
    client.call("pool.set", memory=4, vcpus=1, floor=0, ceiling=0)
    domain = daemon.create("noop", client)
    assert domain["state"] in ("running", "blocked")


more_than_4gib = pytest.param("5GiB", marks=pytest.mark.drivers(
    "kvm", "process", reason="more memory than the machine in QEMU has"))


@pytest.mark.parametrize("memory", ["2MiB", 4, "2052KiB", "8MiB", 64, "1GiB", "1028MiB", more_than_4gib])
def test_memory_sizes(daemon, client, memory):
    domain = daemon.create("noop", client, memory=memory)
    client.call("domain.destroy", id=domain["id"])


def test_shutdown_and_wait_for_the_end(daemon, client):
    domain = daemon.create("noop", client)
    ending = client.call("domain.shutdown", id=domain["id"], wait=True)
    assert ending["id"] == domain["id"]
    assert daemon.names() == []


def test_wait_for_a_guest_that_ends_by_itself(daemon, client):
    domain = daemon.create("hello", client, wait="created", cmdline="exit=5")
    assert client.call("domain.wait", id=domain["id"])["exit_code"] == 5


@pytest.mark.drivers("process", "kvm", reason="only a process shows in /proc to what it is bound")
def test_cpumap_binds_the_guest(daemon, client):
    domain = daemon.create("noop", client, vcpus={"count": 1, "cpumap": [0]})
    assert host.status(daemon.behind.body_of(domain))["Cpus_allowed_list"] == "0"


def test_ramdisk(daemon, client):
    ramdisk = daemon.folder / "ramdisk"
    ramdisk.write_bytes(b"r" * 100_000)
    daemon.create("noop", client, ramdisk=str(ramdisk))
    ramdisk.write_bytes(b"r" * (8 << 20))
    with pytest.raises(RpcError) as error:
        daemon.create("noop", client, ramdisk=str(ramdisk))
    assert "ramdisk" in error.value.message
    assert len(daemon.names()) == 1


def test_details_of_a_domain(daemon, client):
    domain = daemon.create("echo", client, name="e", cmdline="some words")
    info = get(client, domain)
    assert info["config"]["cmdline"] == "some words"
    assert info["memory_bytes"] == 4 << 20
    assert 0 < info["resident_bytes"] < (1 << 20 if daemon.behind.memory_is_lazy else 6 << 20)
    assert info["ready"] is True
