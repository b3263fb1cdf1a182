# SPDX-License-Identifier: Apache-2.0
"""The images that run on every driver also boot as plain PVH kernels, with no hypervisor of ours around: QEMU's
-kernel, without acceleration. What they promise there: docs/guest-abi.md, "A plain PVH machine"."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

BUILD = pathlib.Path(os.environ.get("CHAOS_BUILD_DIR", pathlib.Path(__file__).parents[2] / "build"))
QEMU = shutil.which("qemu-system-x86_64")
# Far more than it takes on a busy machine: only a guest that hangs gets there.
DEADLINE = 120

# Why a machine ended (QMP: ShutdownCause): by its own power button, or by a triple fault.
POWERED_OFF = "guest-shutdown"
CRASHED = "guest-reset"

pytestmark = pytest.mark.skipif(QEMU is None, reason="qemu-system-x86_64 is not installed (scripts/setup --xen)")


class Machine:
    """A running QEMU, and its QMP monitor. Killed at the end, or at the deadline: its monitor ends then."""

    def __init__(self, serial, guest, cmdline="", memory=64, kind="pc"):
        image = BUILD / "guests" / f"{guest}.elf"
        assert image.exists(), f"{image} is missing: build the release preset first (scripts/build release)"
        self.serial = serial
        self.qemu = subprocess.Popen(
            [QEMU, "-machine", kind, "-accel", "tcg", "-m", str(memory), "-nodefaults", "-no-reboot",
             "-display", "none", "-qmp", "stdio", "-serial", f"file:{serial}",
             "-kernel", str(image), "-append", cmdline],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.timer = threading.Timer(DEADLINE, self.qemu.kill)
        self.timer.start()
        self.command("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.timer.cancel()
        self.qemu.kill()
        self.qemu.communicate()

    def next_message(self):
        line = self.qemu.stdout.readline()
        assert line, "QEMU ended, or was ended at the deadline"
        return json.loads(line)

    def command(self, name, **arguments):
        self.qemu.stdin.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.qemu.stdin.flush()
        while True:
            message = self.next_message()
            assert "error" not in message, message
            if "return" in message:
                return message["return"]

    def end(self):
        """Waits until the machine has ended, and returns why, and what its serial port said."""
        while True:
            message = self.next_message()
            if message.get("event") == "SHUTDOWN":
                self.qemu.wait(DEADLINE)
                return message["data"]["reason"], self.serial.read_text()


@pytest.fixture
def boot(tmp_path):
    return lambda guest, **how: Machine(tmp_path / "serial", guest, **how)


@pytest.mark.parametrize("kind, end", [("pc", POWERED_OFF), ("q35", POWERED_OFF), ("microvm", CRASHED)])
def test_hello_greets_and_ends(boot, kind, end):
    """A microvm has other firmware, which leaves the start info elsewhere, and no soft-off."""
    with boot("hello", cmdline="name=plain more words", kind=kind) as machine:
        why, said = machine.end()
    assert why == end
    assert "Hello from plain, running on the pvh platform.\n" in said
    assert "Command line: name=plain more words\n" in said


@pytest.mark.parametrize("memory", [16, 1536, 4096])
def test_hello_sees_the_memory_of_the_machine(boot, memory):
    with boot("hello", memory=memory) as machine:
        why, said = machine.end()
    assert why == POWERED_OFF
    kib = int(re.search(r"Memory: (\d+) KiB", said).group(1))
    # The PC keeps some for its firmware.
    assert memory * 1024 - 2048 < kib <= memory * 1024


def test_smp_runs_on_its_one_vcpu(boot):
    with boot("smp") as machine:
        assert machine.end() == (POWERED_OFF, "smp: 1 vCPUs, sum 500000500000\n")


@pytest.mark.parametrize("fault", ["null-write", "stack-overflow", "triple-fault"])
def test_faults_end_the_machine(boot, fault):
    with boot("fault", cmdline=f"fault={fault}") as machine:
        assert machine.end() == (CRASHED, "")


def test_panic_is_heard(boot):
    with boot("fault", cmdline="fault=panic") as machine:
        assert machine.end() == (POWERED_OFF, "panic: asked to\n")


def test_memory_beyond_the_first_gib_is_there(boot):
    """The entry code maps one GiB; the guest powers off when it has touched all there is."""
    with boot("fault", cmdline="fault=memory", memory=1100) as machine:
        assert machine.end()[0] == POWERED_OFF


def test_noop_sleeps(boot):
    """Nothing wakes it, and nothing ends it: it halts, in its own code. The firmware halts now and then, too."""
    with boot("noop") as machine:
        at = 0
        while not 0x110000 <= at < 0x113000:
            registers = machine.command("human-monitor-command", **{"command-line": "info registers"})
            halted = re.search(r"RIP=([0-9a-f]+).*HLT=1", registers)
            at = int(halted.group(1), 16) if halted else 0
