# SPDX-License-Identifier: Apache-2.0
"""The initramfs, made of pieces that are kept until what they are made of changes."""

import compileall
import hashlib
import os
import pathlib
import py_compile
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from vm import ROOT, RigError
from vm.cpio import Cpio
from vm.packages import load_order, run

HERE = pathlib.Path(__file__).resolve().parents[1]
GUEST = HERE / "guest"
XEN_MODULES = ["xen-privcmd", "xen-evtchn", "xen-gntdev", "xen-gntalloc", "xenfs"]
DISK_MODULES = ["ahci", "sd_mod"]
XL_PROGRAMS = ["xl", "xenstored", "oxenstored", "xenconsoled", "xen-init-dom0", "xenconsole", "libxl-save-helper",
               "lsevtchn", "xen-hvmctx", "xenctx"]
XL_HOST_LIBRARIES = ["libgcc_s.so.1"]  # loaded by name, so ldd does not show it
PYTHON_PACKAGES = ["python3-pytest", "python3-pytest-xdist", "python3-jsonschema"]
PYTHON_LEFT_OUT = re.compile(r"/(test|tests|idlelib|tkinter|turtledemo|lib2to3|ensurepip|pydoc_data|__pycache__|"
                             r"config-\S+|_(ssl|hashlib|sqlite3|tkinter|curses\w*|dbm|gdbm)\.\S+|readline\.\S+\.so)(/|$)")
HOST_TOOLS = ["setpriv", "prlimit", "unshare", "nsenter", "losetup"]
CLIENTS = ["ip", "ping", "curl", "wrk", "nc", "tcpdump"]
# dom0 has nobody who would load them when they are asked for; crc32c: libcrc32c asks for it, and does not say so.
CLIENT_MODULES = ["crc32c_generic", "tun", "bridge", "veth", "nf_tables", "nft_chain_nat", "nft_masq", "nft_ct", "loop"]
PROGRAMS = ["chaos", "chaosd", "chaos-hv", "chaos-forward"]
PROJECT = "/chaos"  # where the repository's files are inside
KERNEL = "/boot/vmlinuz"


def libraries(paths, search=""):
    """Shared libraries that the programs need, by ldd: name inside -> path here."""
    found = {}
    for path in paths:
        shown = subprocess.run(["ldd", path], capture_output=True, text=True,
                               env={**os.environ, "LD_LIBRARY_PATH": search})
        if "not found" in shown.stdout:
            raise RigError(f"{path} needs a library that is not here:\n{shown.stdout}")
        for line in shown.stdout.splitlines():
            if match := re.match(r"\s*(?:(\S+) => )?(/\S+) \(", line):
                name = match[1] or os.path.basename(match[2])
                folder = "/usr/lib64" if name.startswith("ld-linux") else "/usr/lib/x86_64-linux-gnu"
                found[f"{folder}/{os.path.basename(name)}"] = match[2]
    return found


def is_dynamic(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF" and b"/lib64/ld-linux" in file.read(1 << 16)


class Pieces:
    def __init__(self, folder, packages):
        self.folder = folder
        self.packages = packages
        folder.mkdir(parents=True, exist_ok=True)

    def cached(self, name, ingredients, make):
        """The archive `name`, made by make(cpio) unless these ingredients (paths or words) made it before."""
        digest = hashlib.sha256()
        for item in [*HERE.glob("vm/*.py"), *ingredients]:
            if isinstance(item, pathlib.Path):
                status = item.stat()
                item = (str(item), status.st_size, status.st_mtime_ns)
            digest.update(repr(item).encode())
        path = self.folder / f"{name}-{digest.hexdigest()[:16]}.cpio"
        if not path.exists():
            for old in self.folder.glob(f"{name}-*"):
                old.unlink()
            partial = path.with_suffix(".partial")
            with open(partial, "wb") as file:
                archive = Cpio(file)
                make(archive)
                archive.end()
            partial.rename(path)
        return path

    # ---- what there is

    def base(self, modules):
        folder = self.packages.modules()
        wanted = XEN_MODULES + DISK_MODULES + list(modules)
        busybox = pathlib.Path(shutil.which("busybox") or "/usr/bin/busybox")
        if not busybox.exists() or is_dynamic(busybox):
            raise RigError("busybox-static is missing: run scripts/setup")

        def make(archive):
            for name in ("dev", "proc", "sys", "run", "tmp", "root", "out", "busybox", "etc", "var", "usr/bin",
                         "usr/sbin", "usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/local/bin"):
                archive.folder(name)
            for name in ("bin", "sbin", "lib", "lib64"):
                archive.link(name, f"usr/{name}")
            archive.link("/var/run", "/run")
            archive.device("/dev/console", 5, 1)
            archive.device("/dev/null", 1, 3, 0o666)
            archive.copy(busybox, "/usr/bin/busybox")
            archive.link("/usr/bin/sh", "busybox")
            archive.copy(GUEST / "init", "/init")
            archive.data("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
            archive.data("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
            order = load_order(folder, wanted)
            for path in order:
                archive.copy(path, f"/modules/{path.name}")
            archive.data("/modules/order", "".join(f"{path.name}\n" for path in order).encode())

        return self.cached("base", [busybox, GUEST / "init", folder, *wanted], make)

    def xl(self):
        folder = self.packages.path("xen-utils-4.17", "usr/lib/xen-4.17/bin")
        programs = [folder / name for name in XL_PROGRAMS]

        def make(archive):
            for path in programs:
                archive.copy(path, f"/usr/lib/xen-4.17/bin/{path.name}")
                archive.link(f"/usr/bin/{path.name}", f"/usr/lib/xen-4.17/bin/{path.name}")
            found = libraries(programs, self.packages.library_folders())
            for name in XL_HOST_LIBRARIES:
                found[f"/usr/lib/x86_64-linux-gnu/{name}"] = f"/usr/lib/x86_64-linux-gnu/{name}"
            for name, path in found.items():
                archive.copy(path, name)
            archive.copy(GUEST / "xl-up", "/usr/bin/xl-up")
            archive.copy(self.packages.path("xen-utils-common", "etc/xen"), "/etc/xen")

        return self.cached("xl", [*programs, GUEST / "xl-up"], make)

    def python(self):
        """This interpreter (Debian's), its library, pytest, and tools that the tests call; all of it compiled."""
        interpreter = pathlib.Path(sys.executable).resolve()
        library = pathlib.Path(os.__file__).parent
        packages = python_packages(PYTHON_PACKAGES)
        control = self.packages.path("libxenmisc4.17", "usr/lib/x86_64-linux-gnu/libxenctrl.so.4.17")
        tools = [pathlib.Path(path) for name in HOST_TOOLS + CLIENTS
                 if (path := shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin"))]

        def make(archive):
            programs = [interpreter, *tools]
            with tempfile.TemporaryDirectory() as scratch:
                root = pathlib.Path(scratch)
                files = [path for path in library.rglob("*") if path.is_file()]
                for package in packages:
                    files += package_files(package)
                for path in files:
                    if not PYTHON_LEFT_OUT.search(str(path)):
                        copy = root / str(path).lstrip("/")
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy2(path, copy)
                        if ".so" in path.name:
                            programs.append(path)
                compileall.compile_dir(root, quiet=2, workers=0, stripdir=str(root), prependdir="/",
                                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, maxlevels=20)
                archive.copy(root / "usr", "/usr")
            archive.copy(interpreter, f"/usr/bin/{interpreter.name}")
            archive.link("/usr/bin/python3", interpreter.name)
            archive.copy(GUEST / "favour-dom0", "/usr/bin/favour-dom0")
            for path in tools:
                archive.copy(path, f"/usr/bin/{path.name}")
            programs.append(control)  # by which the tests ask Xen itself
            archive.copy(control, f"/usr/lib/x86_64-linux-gnu/{control.name}")
            for name, path in libraries(programs, self.packages.library_folders()).items():
                archive.copy(path, name)

        return self.cached("python", [interpreter, library, control, GUEST / "favour-dom0", *packages, *tools,
                                      run("dpkg-query", "-W", *packages).stdout], make)

    # ---- what changes from run to run

    def project(self, archive, build):
        """Our programs, guests, examples and integration tests, where the tests look for them."""
        for name in PROGRAMS:
            if (build / "bin" / name).exists():
                add(archive, build / "bin" / name, f"{PROJECT}/build/bin/{name}")
        for name in PROGRAMS:
            archive.link(f"/usr/local/bin/{name}", f"{PROJECT}/build/bin/{name}")
        for path in sorted([*build.glob("guests/*.elf"), *build.glob("foreign/*.elf")]):
            archive.copy(path, f"{PROJECT}/build/{path.relative_to(build)}")
        archive.copy(ROOT / "configs", f"{PROJECT}/configs")
        for path in sorted((ROOT / "tests/integration").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.copy(path, f"{PROJECT}/{path.relative_to(ROOT)}")


def add(archive, source, name):
    """A file or a folder of the host, with the libraries that its programs need."""
    source = pathlib.Path(source)
    archive.copy(source, name)
    programs = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    for inside, path in libraries(filter(is_dynamic, programs)).items():
        archive.copy(path, inside)


def payload(archive, words, environment):
    lines = ["#!/bin/sh", *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
             f"cd {PROJECT} 2>/dev/null || cd /", shlex.join(words)]
    archive.data("/payload", ("\n".join(lines) + "\n").encode(), 0o755)


def python_packages(names):
    """With all the packages of Python modules that they depend on."""
    found, todo = [], list(names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.append(name)
        for field in run("dpkg-query", "-W", "-f=${Depends}", name).stdout.split(","):
            alternative = field.split("|")[0].split()[0] if field.strip() else ""
            if alternative.startswith("python3-") and is_installed(alternative):
                todo.append(alternative)
    return sorted(found)


def is_installed(package):
    shown = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Abbrev}", package], capture_output=True, text=True)
    return shown.stdout.startswith("ii")


def package_files(package):
    paths = map(pathlib.Path, run("dpkg-query", "-L", package).stdout.splitlines())
    return [path for path in paths if path.is_relative_to("/usr/lib/python3") and path.is_file()]
