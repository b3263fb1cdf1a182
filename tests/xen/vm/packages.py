# SPDX-License-Identifier: Apache-2.0
"""Debian packages that the machine runs, unpacked into a folder. They are not installed: the hooks of a kernel package
would rewrite the boot loader of the host."""

import os
import pathlib
import re
import shutil
import subprocess

from vm import RigError

# package -> what of it is kept (None: everything)
WANTED = {
    "xen-hypervisor-4.17-amd64": ["./boot/xen-4.17-amd64.gz"],
    "linux-image": ["./boot", "./lib/modules"],
    **dict.fromkeys(["xen-utils-4.17", "xen-utils-common", "libxenmisc4.17", "libxencall1", "libxendevicemodel1",
                     "libxenevtchn1", "libxenforeignmemory1", "libxengnttab1", "libxenhypfs1", "libxenstore4",
                     "libxentoolcore1", "libxentoollog1", "libyajl2"]),
}


def run(*command, **options):
    try:
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    except FileNotFoundError as error:
        raise RigError(f"{command[0]} is missing: run scripts/setup") from error
    except subprocess.CalledProcessError as error:
        raise RigError(f"{' '.join(map(str, command))} failed:\n{error.stdout}{error.stderr}") from error


def as_root(*command):
    return command if os.geteuid() == 0 else ("sudo", *command)


def kernel_package():
    """The package behind linux-image-amd64."""
    text = run("apt-cache", "depends", "linux-image-amd64").stdout
    found = re.search(r"Depends: (linux-image-[0-9]\S*-amd64)", text)
    if not found:
        raise RigError("apt knows no linux-image-amd64")
    return found[1]


def download(name, folder):
    """The .deb file of package `name`."""
    run("apt-get", "-q", "download", kernel_package() if name == "linux-image" else name, cwd=folder)
    (package,) = folder.glob("*.deb")
    return package


class Packages:
    """`folder` holds one sub-folder per package; made once."""

    def __init__(self, folder):
        self.folder = folder

    def fetch(self, say):
        missing = [name for name in WANTED if not (self.folder / name).is_dir()]
        if not missing:
            return
        say(f"fetching Debian packages: {' '.join(missing)}")
        downloads = self.folder / "download"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        for name in missing:
            try:
                package = download(name, downloads)
            except RigError:  # a fresh machine has no lists, another one old ones
                run(*as_root("apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update"))
                package = download(name, downloads)
            self.unpack(package, name)
            package.unlink()
        downloads.rmdir()

    def unpack(self, package, name):
        """Complete or not at all."""
        partial = self.folder / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacking:
            run("tar", "-x", "--no-same-owner", "-C", partial, *(WANTED[name] or ()), stdin=unpacking.stdout)
        partial.rename(self.folder / name)

    def path(self, name, pattern):
        """The one file of package `name` that fits `pattern`."""
        found = sorted((self.folder / name).glob(pattern))
        if len(found) != 1:
            raise RigError(f"package {name} has {len(found)} files {pattern}")
        return found[0]

    def library_folders(self):
        """Where the packages keep shared libraries, in the form of LD_LIBRARY_PATH."""
        return ":".join(str(path) for path in sorted(self.folder.glob("*/usr/lib/x86_64-linux-gnu")))

    def xen(self):
        return self.path("xen-hypervisor-4.17-amd64", "boot/xen-4.17-amd64.gz")

    def kernel(self):
        return self.path("linux-image", "boot/vmlinuz-*")

    def modules(self):
        return self.path("linux-image", "lib/modules/*")


def module_dependencies(path: pathlib.Path):
    """The field `depends` of a kernel module's .modinfo."""
    found = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
    return found[1].decode().split(",") if found and found[1] else []


def load_order(folder: pathlib.Path, wanted):
    """Files of the modules `wanted` and of all that they depend on, in an order that insmod can take."""
    files = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
    order = []

    def visit(name):
        path = files.get(name.replace("-", "_"))
        if path is None:
            raise RigError(f"the kernel has no module {name}")
        if path not in order:
            for dependency in module_dependencies(path):
                visit(dependency)
            order.append(path)

    for name in wanted:
        visit(name)
    return order
