# SPDX-License-Identifier: Apache-2.0
"""Kernels that know nothing of noxs: our own small ones (tests/foreign), and a Linux with an initramfs of ours."""

import ctypes
import os
import pathlib
import stat

import pytest

from rig import xen
from rig.chaosd import BUILD

KINDS = ("pvh64", "pvh32", "pv64")
REFUSED = {"unknown-feature": "time_travel", "other-loader": "homemade"}  # and the word that tells why
BUSYBOX = pathlib.Path("/usr/bin/busybox")

# Runs what it reads.
INIT = b"""#!/bin/busybox sh
export PATH=/bin
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
echo "init is here: $(uname -m)"
while read -r line; do eval "$line"; done
"""


def kernel(image):
    path = BUILD / f"foreign/{image}.elf"
    assert path.exists(), f"{path} is missing: build the target foreign_kernels"
    return str(path)


def config(image, then="echo", /, **keys):
    return {"kernel": kernel(image), "memory": 8, "cmdline": f"then={then}", **keys}


def create(daemon, image, then="echo", client=None, /, wait="ready", **keys):
    reply = (client or daemon.client()).call("domain.create", config=config(image, then, **keys), wait=wait)
    return reply["domains"][0]


def kind_of(image):
    """What the toolstack calls it."""
    return image.removesuffix("64").removesuffix("32")


def unpause(domain):
    """Behind the daemon's back."""
    xen.control().call("xc_domain_unpause", ctypes.c_uint32(domain))


def bzimage():
    """Nothing but what tells a Linux kernel from other files."""
    image = bytearray(2048)
    image[0x1f1] = 1                                        # sectors of set-up code
    image[0x1fe:0x200] = (0xaa55).to_bytes(2, "little")
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = (0x20f).to_bytes(2, "little")      # boot protocol
    image[0x24c:0x250] = (16).to_bytes(4, "little")         # length of the payload
    return bytes(image)


def linux():
    """A Linux kernel as Debian ships it; tests/xen unpacks one."""
    named = os.environ.get("CHAOS_LINUX")
    found = [pathlib.Path(named)] if named else sorted((BUILD / "xen/packages/linux-image/boot").glob("vmlinuz-*"))
    if not found or not BUSYBOX.exists():
        pytest.skip("no Linux kernel here (CHAOS_LINUX names one), or no static busybox")
    return str(found[-1])


def initramfs(path):
    """A cpio archive with INIT, busybox and a console (kernel documentation: early-userspace/buffer-format.rst)."""
    archive = bytearray()

    def entry(name, mode, data=b"", device=(0, 0)):
        encoded = name.encode() + b"\0"
        fields = (len(archive) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        for part in (b"070701" + b"".join(b"%08X" % field for field in fields) + encoded, data):
            archive.extend(part)
            archive.extend(bytes(-len(archive) % 4))

    for name in ("bin", "dev", "proc"):
        entry(name, stat.S_IFDIR | 0o755)
    entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    entry("bin/busybox", stat.S_IFREG | 0o755, BUSYBOX.read_bytes())
    entry("init", stat.S_IFREG | 0o755, INIT)
    entry("TRAILER!!!", 0)
    path.write_bytes(archive)
    return str(path)
