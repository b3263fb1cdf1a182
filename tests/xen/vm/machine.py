# SPDX-License-Identifier: Apache-2.0
"""One run of QEMU: Xen, its dom0, two serial ports and a disk for the results."""

import ctypes
import dataclasses
import os
import pathlib
import re
import selectors
import signal
import subprocess
import time

from vm import RigError

PR_SET_PDEATHSIG = 1
XEN_ARGUMENTS = "console=com1 com1=115200 spec-ctrl=eager-fpu loglvl=error guest_loglvl=none noreboot=0"
KERNEL_ARGUMENTS = "console=hvc0 panic=-1 rdinit=/init quiet"
# Under TCG a dom0 with these features takes a page fault early.
# rdtscp: emulated SVM does not say how long an intercepted instruction is, and Xen can't tell for this one: a Linux
# guest that uses it would get a fault.
CPU = {"tcg": "max,-smap,-smep,-la57,-rdtscp,-pks,-pku", "kvm": "host"}


class Wedged(RigError):
    """It did not come as far as it should in the time that it had."""


@dataclasses.dataclass
class Settings:
    xen: pathlib.Path
    kernel: pathlib.Path
    initramfs: pathlib.Path
    disk: pathlib.Path     # raw; what the machine writes
    console: pathlib.Path  # text; what Xen and the kernel say
    accel: str = "tcg"
    memory: int = 4096        # MiB
    dom0_memory: int = 1024   # MiB
    smp: int = 1
    xen_arguments: str = ""
    kernel_arguments: str = ""
    boot_deadline: float = 180  # seconds until dom0's user space says its first word
    deadline: float = 600       # seconds for everything


def kvm_is_of_use():
    """Guests of Xen inside need nested virtualisation, which shows as vmx or svm in this machine's own flags."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and re.search(r"\b(vmx|svm)\b", flags) is not None


def command(settings):
    xen_line = f"{XEN_ARGUMENTS} dom0_mem={settings.dom0_memory}M,max:{settings.dom0_memory}M {settings.xen_arguments}"
    kernel_line = f"{KERNEL_ARGUMENTS} {settings.kernel_arguments}".replace(",", ",,")
    return ["qemu-system-x86_64", "-accel", "tcg,thread=multi" if settings.accel == "tcg" else "kvm",
            "-cpu", CPU[settings.accel], "-smp", str(settings.smp), "-m", str(settings.memory),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-serial", f"file:{settings.console}", "-serial", "stdio",
            "-drive", f"file={settings.disk},format=raw,if=none,id=results,cache=unsafe",
            "-device", "ahci,id=ahci", "-device", "ide-hd,drive=results,bus=ahci.0",
            "-kernel", str(settings.xen), "-append", xen_line,
            "-initrd", f"{settings.kernel} {kernel_line},{settings.initramfs}"]


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(settings, on_output):
    """Runs to the end, passing on what the payload prints. Raises Wedged when a deadline passes."""
    start = time.monotonic()
    try:
        machine = subprocess.Popen(command(settings), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent)
    except FileNotFoundError as error:
        raise RigError("qemu-system-x86_64 is missing: run scripts/setup") from error
    with machine:
        try:
            pump(machine.stdout, on_output, start + settings.boot_deadline, start + settings.deadline)
        finally:
            machine.kill()
    return time.monotonic() - start


def pump(pipe, on_output, first_word, end):
    selector = selectors.DefaultSelector()
    selector.register(pipe, selectors.EVENT_READ)
    deadline = min(first_word, end)
    while True:
        if not selector.select(max(0, deadline - time.monotonic())):
            raise Wedged("the deadline has passed" if deadline == end else "dom0 did not reach its user space in time")
        data = os.read(pipe.fileno(), 65536)
        if not data:
            return
        deadline = end
        on_output(data)
