# SPDX-License-Identifier: Apache-2.0
"""Writes cpio archives of the kernel's kind ("newc", Documentation/driver-api/early-userspace/buffer-format.rst).
Archives may be put one after another."""

import os
import pathlib
import stat

ALIGNMENT = 4


class Cpio:
    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.folders = set()

    def _entry(self, name, mode, data=b"", mtime=0, rdev=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, int(mtime), len(data), 0, 0, *rdev, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self.file.write(header + b"\0" * (-len(header) % ALIGNMENT))
        self.file.write(data)
        self.file.write(b"\0" * (-len(data) % ALIGNMENT))

    def folder(self, name, mode=0o755):
        """With all above it; once."""
        name = name.strip("/")
        if not name or name in self.folders:
            return
        self.folder(os.path.dirname(name))
        self.folders.add(name)
        self._entry(name, stat.S_IFDIR | mode)

    def data(self, name, data, mode=0o644, mtime=0):
        self.folder(os.path.dirname(name))
        self._entry(name.strip("/"), stat.S_IFREG | mode, data, mtime)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self._entry(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor, mode=0o600):
        self.folder(os.path.dirname(name))
        self._entry(name.strip("/"), stat.S_IFCHR | mode, rdev=(major, minor))

    def copy(self, source, name):
        """A file (through links), or a folder with all that is in it (links kept)."""
        source = pathlib.Path(source)
        if not source.is_dir():
            status = source.stat()
            self.data(name, source.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime)
            return
        self.folder(name)
        for entry in sorted(source.iterdir()):
            if entry.is_symlink():
                self.link(f"{name}/{entry.name}", os.readlink(entry))
            else:
                self.copy(entry, f"{name}/{entry.name}")

    def end(self):
        self._entry("TRAILER!!!", 0)
