# SPDX-License-Identifier: Apache-2.0
"""What is told of a guest that crashed: its registers and, given symbols, its functions."""

import pathlib
import re
import shutil
import subprocess

import pytest

from rig.chaosd import guest
from rig.events import Events
from rig.images import Elf

WILD = "0xdead0000"
REGISTERS = {"rip", "rsp", "rflags", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12",
             "r13", "r14", "r15"}


@pytest.fixture(autouse=True)
def registers_are_kept(daemon):
    if not daemon.behind.keeps_registers:
        pytest.skip("KVM forgets the registers of a guest that faults, on AMD's processors")


def strip_symbols(image):
    """No section headers: how the smallest images come. What is loaded stays as it was."""
    image.write_bytes(Elf(image.read_bytes()).poke(40, "<Q", 0).poke(60, "<H", 0).data)


@pytest.fixture
def image(daemon):
    """A copy of the guest that misbehaves, for a test to change."""
    return pathlib.Path(shutil.copy(guest("fault"), daemon.folder / "copy.elf"))


def crash(daemon, client, fault="wild-write", **keys):
    """The event, and the preserved domain."""
    events = Events(daemon)
    keys = {"on_crash": "preserve", "cmdline": f"fault={fault}", **keys}
    domain = daemon.create("fault", client, wait="created", **keys)
    event = events.wait("crashed", id=domain["id"])
    return event, client.call("domain.get", id=domain["id"])


@pytest.mark.parametrize("fault, function", (("wild-write", "wild_write"), ("wild-read", "wild_read"),
                                             ("stack-overflow", "recurse"),
                                             ("corrupt-device-page", "corrupt_device_page")))
def test_function_is_named(daemon, client, fault, function):
    event, info = crash(daemon, client, fault)
    assert re.search(rf"\b{function}\b.*\+0x", info["ended"]["function"])
    assert info["ended"]["function"] in info["ended"]["how"] == event["detail"]
    assert "no_function" not in info["ended"]


def test_registers_are_those_of_the_crash(daemon, client):
    event, info = crash(daemon, client)
    registers = info["ended"]["registers"]
    assert set(registers) == REGISTERS
    assert WILD in registers.values()
    assert f"ip {registers['rip']} (" in event["detail"]
    if daemon.driver != "xen":  # an AMD processor's guest, which the one in QEMU is, loses it with its shutdown
        assert f"at {WILD}" in event["detail"]


def test_callers_lead_back_to_the_entry(daemon, client):
    _, info = crash(daemon, client)
    callers = " ".join(info["ended"]["callers"])
    assert "guest::run(" in callers and "noxs_entry" in callers


def test_jump_into_nowhere_is_told_by_its_callers(daemon, client):
    _, info = crash(daemon, client, "jump")
    assert info["ended"]["registers"]["rip"] == WILD
    assert "function" not in info["ended"]
    assert any("guest::run(" in caller for caller in info["ended"]["callers"])


def test_daemon_writes_it_down(daemon, client):
    event, info = crash(daemon, client, name="web")
    log = daemon.log_text()
    assert f"'web': {event['detail']}" in log
    assert f"rip {info['ended']['registers']['rip']} rsp" in log
    assert "called from, perhaps: " in log


def test_command_line_shows_it(daemon, client):
    _, info = crash(daemon, client, name="web")
    shown = daemon.cli("info", "web").stdout
    assert re.search(rf"^ended.function +{re.escape(info['ended']['function'])}$", shown, re.M)
    block = shown[shown.index("ended.registers"):]
    assert len(block.splitlines()[0].split()) == 7  # the heading, and three registers with their values
    for name, value in info["ended"]["registers"].items():
        assert re.search(rf"\b{name} +{value}\b", block)


def test_a_guest_that_is_not_preserved_is_named_too(daemon, client):
    events = Events(daemon)
    domain = daemon.create("fault", client, wait="created", cmdline="fault=wild-write")
    assert "wild_write" in events.wait("crashed", id=domain["id"])["detail"]
    assert "wild_write" in client.call("domain.wait", id=domain["id"])["how"]


def test_without_symbols_there_are_registers(daemon, client, image):
    strip_symbols(image)
    event, info = crash(daemon, client, kernel=str(image))
    assert "function" not in info["ended"] and "wild_write" not in event["detail"]
    assert "no symbols" in info["ended"]["no_function"]
    assert WILD in info["ended"]["registers"].values()


@pytest.mark.drivers("kvm", "process", reason="a dom0 without binutils")
def test_stripped_by_binutils(daemon, client, image):
    subprocess.run(["strip", image], check=True)
    _, info = crash(daemon, client, kernel=str(image))
    assert "no symbols" in info["ended"]["no_function"]


@pytest.mark.parametrize("replacement", ("hello", None), ids=("other", "gone"))
def test_no_names_of_a_file_that_was_replaced(daemon, client, image, replacement):
    events = Events(daemon)
    domain = daemon.create("fault", client, wait="created", paused=True, kernel=str(image), on_crash="preserve",
                           cmdline="fault=wild-write")
    image.unlink()
    if replacement:
        shutil.copy(guest(replacement), image)
    client.call("domain.unpause", id=domain["id"])
    event = events.wait("crashed", id=domain["id"])
    ended = client.call("domain.get", id=domain["id"])["ended"]
    assert "function" not in ended and "callers" not in ended
    assert str(image) in ended["no_function"]
    assert f"ip {ended['registers']['rip']}" in event["detail"] and "(" not in event["detail"]
    assert WILD in ended["registers"].values()


def test_next_daemon_tells_the_same(daemon, client):
    """It has nothing to go by but what the driver kept, as for a crash while no daemon runs."""
    _, info = crash(daemon, client, name="web")
    daemon.terminate()
    daemon.start()
    event = Events(daemon, since=0).wait("crashed", id=info["id"])
    assert event["detail"] == info["ended"]["how"]
    assert daemon.client().call("domain.get", name="web")["ended"] == info["ended"]
