# SPDX-License-Identifier: Apache-2.0
"""Kernels that others built: the small ones of tests/foreign, and Debian's Linux. They have a Xen console, no XenStore,
and nothing of noxs."""

import pytest

from rig import foreign, host
from rig.console import Console
from rig.events import Events
from rig.rpc import RpcError

only_xen = pytest.mark.drivers("xen", reason="only Xen boots kernels that others built")
not_xen = pytest.mark.drivers("process", "kvm", reason="this driver boots kernels that others built")
every_kind = pytest.mark.parametrize("kind", foreign.KINDS)
both_ways = pytest.mark.parametrize("kind", ("pvh64", "pv64"))
every_pvh = pytest.mark.parametrize("pvh", (True, False), ids=("pvh", "pv"))
GREETED = b"here I am"


def get(client, domain):
    return client.call("domain.get", id=domain["id"])


def greeting(daemon, domain):
    return Console(daemon, domain).read_until(GREETED).decode()


def echo(console, word):
    console.type(f"{word}\n")
    console.read_until(f"echo: {word}".encode())


def free_memory(client):
    return client.call("daemon.info")["memory"]["free_bytes"]


# ---- what they find

@only_xen
@every_kind
def test_greets(daemon, kind):
    said = greeting(daemon, foreign.create(daemon, kind, cmdline="a  b=c then=echo"))
    assert f"foreign kernel: {kind}" in said
    assert "command line: a  b=c then=echo" in said
    assert "memory: 8192 KiB" in said
    assert "xenstore: none" in said


@only_xen
@both_ways
def test_memory_is_as_configured(daemon, kind):
    assert "memory: 67584 KiB" in greeting(daemon, foreign.create(daemon, kind, memory=66))
    with pytest.raises(RpcError) as error:
        foreign.create(daemon, kind, memory="66048KiB")
    assert "66048 KiB" in error.value.message and "whole MiB" in error.value.message


@only_xen
@both_ways
def test_is_ready_once_started(daemon, client, kind):
    events = Events(daemon)
    domain = foreign.create(daemon, kind)
    events.wait("ready", id=domain["id"])
    assert domain["timing"]["ready_us"] >= domain["timing"]["total_us"] > 0
    assert not domain["timing"]["from_pool"]
    assert get(client, domain)["ready"] is True


@only_xen
@both_ways
def test_list_and_info_say_what_it_is(daemon, client, kind):
    domain = foreign.create(daemon, kind, name="other")
    (listed,) = client.call("domain.list")["domains"]
    assert listed["name"] == "other" and listed["kind"] == foreign.kind_of(kind)
    host.until(lambda: get(client, domain)["state"] == "blocked", what="it waits for a line")
    info = get(client, domain)
    assert info["resident_bytes"] >= 8 << 20 and info["cpu_time_us"] > 0
    assert "other" in daemon.cli("list").stdout
    assert foreign.kernel(kind) in daemon.cli("info", "other").stdout


# ---- its console

@only_xen
@every_kind
def test_console_in_both_directions(daemon, kind):
    console = Console(daemon, foreign.create(daemon, kind))
    for word in ("one", "two", "x" * 400):
        echo(console, word)


@only_xen
@both_ways
def test_more_than_the_rings_hold(daemon, kind):
    """20 lines of 300 bytes: the ring of input has room for 1024, that of output for 2048."""
    console = Console(daemon, foreign.create(daemon, kind))
    left = "".join(f"{number:02}{'y' * 297}\n" for number in range(20))

    def all_sent():
        nonlocal left
        left = left[console.type(left):]
        return not left

    host.until(all_sent, what="the kernel takes all lines")
    said = console.read_until(b"echo: 19" + b"y" * 297)
    assert [said.count(b"echo: %02d" % number) for number in range(20)] == [1] * 20


@only_xen
@both_ways
def test_cli_shows_its_console(daemon, kind):
    path = daemon.write_config(**foreign.config(kind))
    result = daemon.cli("create", "-c", path, stdin="ping\nexit\n")
    assert result.returncode == 0, result.stderr
    assert "xenstore: none" in result.stdout and "echo: ping" in result.stdout


@only_xen
@both_ways
def test_without_a_console(daemon, client, kind):
    events = Events(daemon)
    domain = foreign.create(daemon, kind, "poweroff", console=False, on_poweroff="preserve")
    events.wait("shutdown", id=domain["id"])
    with pytest.raises(RpcError):
        client.call("console.attach", id=domain["id"])


# ---- how it ends

@only_xen
@both_ways
def test_powers_off(daemon, client, kind):
    events = Events(daemon)
    domain = foreign.create(daemon, kind, "poweroff")
    events.wait("shutdown", id=domain["id"])
    host.until(lambda: daemon.names() == [], what="it is gone")
    assert GREETED in Console(daemon, domain).read_until(GREETED)


@only_xen
@every_kind
def test_reboot_starts_it_again(daemon, client, kind):
    events = Events(daemon)
    domain = foreign.create(daemon, kind, name="again", memory=16)
    console = Console(daemon, domain)
    console.type("reboot\n")
    new = int(events.wait("rebooted", id=domain["id"])["detail"])
    assert console.client.notification("console.closed")["new_id"] == new != domain["id"]
    fresh = Console(daemon, {"id": new})
    assert b"memory: 16384 KiB" in fresh.read_until(GREETED)
    echo(fresh, "second life")
    assert daemon.names() == ["again"]


@only_xen
@both_ways
def test_reboot_may_mean_the_end(daemon, client, kind):
    events = Events(daemon)
    domain = foreign.create(daemon, kind, "reboot", on_reboot="destroy")
    assert "rebooted" in events.wait("shutdown", id=domain["id"])["detail"]
    host.until(lambda: daemon.names() == [], what="it is gone")


@only_xen
@both_ways
def test_reboot_may_be_looked_at(daemon, client, kind):
    domain = foreign.create(daemon, kind, "reboot", on_reboot="preserve")
    host.until(lambda: get(client, domain)["state"] == "shutdown", what="it has ended")
    assert get(client, domain)["ended"]["kind"] == "rebooted"
    client.call("domain.destroy", id=domain["id"])


@only_xen
@both_ways
def test_crash_can_be_preserved(daemon, client, kind):
    events = Events(daemon)
    domain = foreign.create(daemon, kind, "crash", on_crash="preserve")
    assert "triple fault" not in events.wait("crashed", id=domain["id"])["detail"]
    info = get(client, domain)
    assert info["state"] == "crashed" and info["ended"]["kind"] == "crashed"
    assert GREETED in Console(daemon, domain).read_until(GREETED)
    client.call("domain.destroy", id=domain["id"])


@only_xen
@both_ways
def test_fault_without_a_handler(daemon, client, kind):
    """A triple fault is how PCs reboot, Linux as PVH too; of PV there is no such thing."""
    domain = foreign.create(daemon, kind, "fault", on_crash="preserve", on_reboot="preserve")
    how = "crashed" if kind == "pv64" else "rebooted"
    host.until(lambda: get(client, domain).get("ended", {}).get("kind") == how, what=f"it has {how}")
    client.call("domain.destroy", id=domain["id"])


@only_xen
@both_ways
def test_crash_ends_the_cli_with_1(daemon, kind):
    result = daemon.cli("create", "-c", daemon.write_config(**foreign.config(kind, "crash")))
    assert result.returncode == 1
    assert GREETED.decode() in result.stdout and "crashed" in result.stderr
    host.until(lambda: daemon.names() == [], what="it is gone")


# ---- what can be done to it

@only_xen
@both_ways
def test_pause_and_unpause(daemon, client, kind):
    domain = foreign.create(daemon, kind, "spin")
    greeting(daemon, domain)
    body = daemon.behind.body_of(domain)
    assert client.call("domain.pause", id=domain["id"])["state"] == "paused"
    used = daemon.behind.cpu_ns(body)
    assert daemon.behind.is_stopped(body) and daemon.behind.cpu_ns(body) == used
    client.call("domain.unpause", id=domain["id"])
    host.until(lambda: daemon.behind.cpu_ns(body) > used, what="it spins again")
    client.call("domain.destroy", id=domain["id"])
    assert daemon.names() == [] and daemon.domain_files() == []


@only_xen
@both_ways
def test_input_while_paused_is_not_lost(daemon, client, kind):
    domain = foreign.create(daemon, kind)
    console = Console(daemon, domain)
    console.read_until(GREETED)
    client.call("domain.pause", id=domain["id"])
    console.type("patience\n")
    client.call("domain.unpause", id=domain["id"])
    console.read_until(b"echo: patience")


@only_xen
@both_ways
def test_created_paused(daemon, client, kind):
    domain = foreign.create(daemon, kind, paused=True)
    info = get(client, domain)
    assert info["state"] == "paused" and info["ready"] is False
    client.call("domain.unpause", id=domain["id"])
    greeting(daemon, domain)
    assert get(client, domain)["ready"] is True


@only_xen
@both_ways
def test_it_cannot_be_asked(daemon, client, kind):
    domain = foreign.create(daemon, kind, name="deaf")
    for verb in ("shutdown", "reboot"):
        with pytest.raises(RpcError) as error:
            client.call(f"domain.{verb}", id=domain["id"])
        assert error.value.name == "unsupported"
        result = daemon.cli(verb, "deaf")
        assert result.returncode == 1
        assert "deaf" in result.stderr and "chaos destroy" in result.stderr
    echo(Console(daemon, domain), "unmoved")


@only_xen
@both_ways
def test_memory_comes_back(daemon, client, kind):
    daemon.await_full_pool()
    # The first one of a kind makes Xen keep pages for itself.
    client.call("domain.destroy", id=foreign.create(daemon, kind, memory=64)["id"])
    before = free_memory(client)
    for _ in range(5):
        domain = foreign.create(daemon, kind, memory=64)
        greeting(daemon, domain)
        assert free_memory(client) <= before - (64 << 20)
        client.call("domain.destroy", id=domain["id"])
    host.until(lambda: free_memory(client) >= before, what="all memory is back")


# ---- what it may not have

@only_xen
@every_kind
def test_kind_may_be_forced(daemon, client, kind):
    is_pvh = foreign.kind_of(kind) == "pvh"
    foreign.create(daemon, kind, xen={"pvh": is_pvh})
    with pytest.raises(RpcError) as error:
        foreign.create(daemon, kind, xen={"pvh": not is_pvh})
    assert error.value.name == "invalid_config"
    assert f"{kind}.elf" in error.value.message
    assert f"kernel for Xen ({'PVH' if is_pvh else 'PV'})" in error.value.message
    assert len(daemon.names()) == 1


@only_xen
@pytest.mark.parametrize("kind, devices", (("pvh64", {"vifs": [{"ip": "10.0.0.2"}]}),
                                           ("pv64", {"vbds": [{"target": "disk.img"}]})), ids=("vifs", "vbds"))
def test_devices_are_refused(daemon, kind, devices):
    (daemon.folder / "disk.img").write_bytes(bytes(4096))
    path = daemon.write_config(**foreign.config(kind, **devices))
    for options in ([], ["--dry-run"]):
        result = daemon.cli("create", *options, path)
        assert result.returncode == 1
        assert f"{kind}.elf" in result.stderr and f"remove {next(iter(devices))}" in result.stderr
    assert daemon.names() == [] and daemon.domain_files() == []


@only_xen
@pytest.mark.parametrize("name", foreign.REFUSED)
def test_what_xen_lacks_is_named(daemon, client, name):
    daemon.await_full_pool()
    before, bodies = free_memory(client), len(daemon.behind.bodies())
    with pytest.raises(RpcError) as error:
        foreign.create(daemon, name)
    assert error.value.name == "invalid_image"
    assert f"{name}.elf" in error.value.message and foreign.REFUSED[name] in error.value.message
    assert daemon.names() == [] and daemon.domain_files() == []
    host.until(lambda: len(daemon.behind.bodies()) == bodies and free_memory(client) >= before, what="nothing is left")


@only_xen
def test_damaged_kernel(daemon, client):
    """Its notes are whole, so that only Xen's loader finds out."""
    whole = bytearray(open(foreign.kernel("pvh64"), "rb").read())
    whole[0x38:0x3a] = (2000).to_bytes(2, "little")  # e_phnum
    image = daemon.folder / "damaged.elf"
    image.write_bytes(whole)
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": str(image), "memory": 8}, wait="ready")
    assert error.value.name == "invalid_image" and "damaged.elf" in error.value.message
    assert daemon.names() == [] and daemon.domain_files() == []


# ---- beside other guests, and beyond its daemon

@only_xen
def test_all_kinds_side_by_side(daemon, client):
    native = Console(daemon, daemon.create("echo", client))
    others = {kind: Console(daemon, foreign.create(daemon, kind, name=kind)) for kind in foreign.KINDS}
    for _ in range(3):
        for kind, console in others.items():
            echo(console, f"I am {kind}")
        native.type("and I\n")
        native.read_until(b"and I")
    assert not any(f"I am {kind}".encode() in console.text for kind in foreign.KINDS
                   for other, console in others.items() if other != kind)


@only_xen
@every_kind
def test_outlives_its_daemon(daemon, kind):
    domain = foreign.create(daemon, kind, name="survivor")
    body = daemon.behind.body_of(domain)
    console = Console(daemon, domain)
    echo(console, "before")
    daemon.kill()
    assert daemon.behind.is_alive(body)
    daemon.start()
    client, events = daemon.client(), Events(daemon)
    info = client.call("domain.get", name="survivor")
    assert info["id"] == domain["id"] and info["kind"] == foreign.kind_of(kind) and info["ready"] is True
    assert "survivor" in daemon.cli("list").stdout
    console = Console(daemon, domain)
    assert GREETED in console.read_until(b"echo: before")
    echo(console, "after")
    console.type("exit\n")
    events.wait("shutdown", id=domain["id"])
    host.until(lambda: daemon.names() == [], what="it is gone")


@only_xen
@both_ways
def test_speaks_while_there_is_no_daemon(daemon, kind):
    domain = foreign.create(daemon, kind)
    body = daemon.behind.body_of(domain)
    client, console = daemon.client(), Console(daemon, domain)
    console.read_until(GREETED)
    client.call("domain.pause", id=domain["id"])
    console.type("into the ring\n")
    daemon.kill()
    foreign.unpause(body)
    daemon.start()
    Console(daemon, domain).read_until(b"echo: into the ring")


@only_xen
@both_ways
def test_ends_while_there_is_no_daemon(daemon, client, kind):
    domain = foreign.create(daemon, kind)
    greeting(daemon, domain)
    body = daemon.behind.body_of(domain)
    daemon.kill()
    daemon.behind.kill(body)
    daemon.start()
    host.until(lambda: daemon.names() == [], what="the ended domain is cleared")
    assert daemon.domain_files() == []


# ---- Linux

@only_xen
@every_pvh
def test_linux_runs(daemon, client, pvh):
    """It reaches its init, speaks and listens, has time and two processors, and powers off."""
    events = Events(daemon)
    domain = client.call("domain.create", config={
        "kernel": foreign.linux(), "ramdisk": foreign.initramfs(daemon.folder / "initramfs"), "memory": 128,
        "vcpus": 2, "cmdline": "console=hvc0 quiet panic=-1", "xen": {"pvh": pvh}},
        timeout=host.DEADLINE * 2)["domains"][0]
    assert get(client, domain)["kind"] == ("pvh" if pvh else "pv")
    console = Console(daemon, domain)
    console.read_until(b"init is here: x86_64")
    console.type("sleep 1; echo $(nproc) processors; poweroff -f\n")
    console.read_until(b"2 processors")
    events.wait("shutdown", id=domain["id"])


@only_xen
@every_pvh
def test_linux_in_too_little_memory(daemon, client, pvh):
    daemon.await_full_pool()
    before = free_memory(client)
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": foreign.linux(), "memory": 16, "xen": {"pvh": pvh}},
                    wait="ready", timeout=host.DEADLINE * 2)
    assert error.value.name in ("invalid_image", "no_memory")
    assert daemon.names() == [] and daemon.domain_files() == []
    host.until(lambda: free_memory(client) >= before, what="all memory is back")


@only_xen
@pytest.mark.parametrize("end", ("stop", "kill", "destroy"))
def test_end_while_linux_is_loaded(daemon, client, end):
    """Its loader takes long enough for that."""
    daemon.await_full_pool(client)
    others = set(daemon.behind.bodies())
    client.send("domain.create", {"config": {"name": "early", "kernel": foreign.linux(), "memory": 128}})
    (body,) = host.until(lambda: set(daemon.behind.bodies()) - others, what="the loader has a domain")
    if end == "stop":
        daemon.stop()
        daemon.check_nothing_left()
        daemon.start()
    elif end == "kill":
        daemon.kill()
        daemon.start()
    else:
        daemon.client().call("domain.destroy", name="early")
    host.until(lambda: body not in daemon.behind.bodies(), what="Xen has it no more")
    assert daemon.names() == [] and daemon.domain_files() == []


# ---- drivers that do not boot them

@not_xen
@pytest.mark.parametrize("kind", [*foreign.KINDS, *foreign.REFUSED])
def test_other_drivers_refuse_it(daemon, client, kind):
    with pytest.raises(RpcError) as error:
        foreign.create(daemon, kind)
    assert error.value.name in ("unsupported", "invalid_image" if kind in foreign.REFUSED else "unsupported")
    path = daemon.write_config(**foreign.config(kind))
    for options in ([], ["--dry-run"], ["-c"]):
        result = daemon.cli("create", *options, path)
        assert result.returncode == 1
        assert f"{kind}.elf" in result.stderr and "Xen" in result.stderr
    assert daemon.names() == [] and daemon.domain_files() == []


@not_xen
def test_other_drivers_refuse_linux(daemon, client):
    image = daemon.folder / "vmlinuz"
    image.write_bytes(foreign.bzimage())
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": str(image)})
    assert error.value.name == "unsupported"
    assert "vmlinuz" in error.value.message and "Linux" in error.value.message and "Xen" in error.value.message
    assert daemon.names() == []
