# SPDX-License-Identifier: Apache-2.0
"""Real Xen and a dom0 in QEMU: packages, initramfs, machine, results."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
CACHE = ROOT / "build/xen"


class RigError(Exception):
    """The rig is at fault or lacks something, not the code under test."""
