# SPDX-License-Identifier: Apache-2.0
"""From options to an exit code: packages, initramfs, machine, results."""

import contextlib
import fcntl
import gzip
import pathlib
import platform
import shutil
import signal
import sys
import tempfile

from vm import CACHE, ROOT, RigError, machine, results, userland
from vm.cpio import Cpio
from vm.machine import Wedged
from vm.packages import Packages
from vm.userland import PROJECT, Pieces

CONSOLE_TAIL = 60  # lines shown after a failure
EXIT_DEADLINE, EXIT_BROKEN = 124, 125


@contextlib.contextmanager
def locked(path):
    """One at a time prepares files that others use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def initramfs(path, pieces, options, words):
    chosen = [pieces.base([*options.module, *(userland.CLIENT_MODULES if options.with_python else ())])]
    if options.with_xl:
        chosen.append(pieces.xl())
    if options.with_python:
        chosen.append(pieces.python())
    with open(path, "wb") as file:
        for piece in chosen:
            with open(piece, "rb") as part:
                shutil.copyfileobj(part, file, 1 << 20)
        archive = Cpio(file)
        pieces.project(archive, options.build.resolve())
        if options.with_kernel:
            archive.copy(pieces.packages.kernel(), userland.KERNEL)
        for entry in options.add:
            source, _, inside = entry.partition(":")
            userland.add(archive, source, inside or place_inside(source))
        userland.payload(archive, words, dict(word.split("=", 1) for word in options.env))
        archive.end()


def place_inside(source):
    path = pathlib.Path(source).resolve()
    return f"{PROJECT}/{path.relative_to(ROOT)}" if path.is_relative_to(ROOT) else str(path)


def unpacked_xen(packages):
    """QEMU loads an ELF file; the package has it compressed."""
    path = CACHE / "xen.elf"
    if not path.exists() or path.stat().st_mtime < packages.xen().stat().st_mtime:
        partial = path.with_suffix(".partial")
        partial.write_bytes(gzip.decompress(packages.xen().read_bytes()))
        partial.rename(path)
    return path


def choose_accel(wanted, settings, pieces, options, scratch):
    """KVM is tried once per kernel of this machine: not every KVM that says it can nest boots Xen."""
    if wanted != "auto":
        return wanted
    if not machine.kvm_is_of_use():
        return "tcg"
    verdict = CACHE / f"kvm-{platform.release()}"
    if not verdict.exists():
        probe = machine.dataclasses.replace(settings, accel="kvm", initramfs=scratch / "probe", boot_deadline=60,
                                            deadline=60, console=scratch / "probe.log")
        initramfs(probe.initramfs, pieces, options, ["grep", "-q", "hvm", "/sys/hypervisor/properties/capabilities"])
        results.make_disk(probe.disk, 1 << 20)
        try:
            machine.run(probe, lambda _: None)
            works = results.unpack(probe.disk, scratch / "probe-out") == 0
        except RigError:
            works = False
        verdict.write_text("kvm" if works else "tcg")
    return verdict.read_text()


def tail(path):
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    lines = [line for line in lines if line.strip()]
    return "\n".join(lines[-CONSOLE_TAIL:])


def replace(output, folder):
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(folder, output, dirs_exist_ok=True)


def show(data, log):
    for file in (sys.stdout.buffer, log):
        file.write(data)
        file.flush()


def stop_on_signals():
    """A signal ends this program by the way of its clean-up."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))


def prepare(options, words, scratch, got, say):
    """Everything that the machine needs, in `scratch`."""
    settings = machine.Settings(
        xen=scratch, kernel=scratch, initramfs=scratch / "initramfs", disk=scratch / "disk",
        console=got / "console.log", memory=options.memory, dom0_memory=options.dom0_memory, smp=options.smp,
        xen_arguments=options.xen_arguments, kernel_arguments=options.kernel_arguments,
        boot_deadline=options.boot_deadline, deadline=options.deadline)
    with locked(CACHE / "lock"):
        packages = Packages(CACHE / "packages")
        packages.fetch(say)
        settings.xen, settings.kernel = unpacked_xen(packages), packages.kernel()
        pieces = Pieces(CACHE / "pieces", packages)
        settings.accel = choose_accel(options.accel, settings, pieces, options, scratch)
        initramfs(settings.initramfs, pieces, options, words)
    results.make_disk(settings.disk, options.output_size << 20)
    return settings


def run(options, words):
    """Boots, runs `words`, returns their exit code. Raises RigError when there is none."""
    stop_on_signals()

    def say(text):
        if not options.quiet:
            print(f"boot: {text}", file=sys.stderr, flush=True)

    output = options.output.resolve()
    with tempfile.TemporaryDirectory(prefix="chaos-xen-") as folder:
        scratch = pathlib.Path(folder)
        got = scratch / "output"  # moved at the end: runs side by side do not mix
        got.mkdir()
        settings = prepare(options, words, scratch, got, say)
        say(f"Xen in QEMU ({settings.accel}, {settings.smp} processors, {settings.memory} MiB, dom0 "
            f"{settings.dom0_memory} MiB)")
        try:
            with open(got / "command.log", "wb") as log:
                took = machine.run(settings, lambda data: show(data, log))
            code = results.unpack(settings.disk, got)
            if code is None:
                raise RigError("the machine ended without a result")
        except RigError as error:
            raise type(error)(f"{error}; the end of {output / 'console.log'}:\n{tail(settings.console)}") from error
        finally:
            replace(output, got)
        say(f"exit code {code} after {took:.0f} s; output in {output}")
        return code


def exit_code(options, words):
    """As `run`; what the machine itself gets wrong becomes an exit code of its own."""
    try:
        return run(options, words)
    except Wedged as error:
        code = EXIT_DEADLINE
        print(f"boot: {error}", file=sys.stderr)
    except RigError as error:
        code = EXIT_BROKEN
        print(f"boot: {error}", file=sys.stderr)
    return code
