# SPDX-License-Identifier: Apache-2.0
"""What comes back: the machine writes a tar archive to its raw disk, the payload's exit code last."""

import pathlib
import tarfile

EXIT_CODE = "exit-code"  # as in guest/init


def make_disk(path, size):
    with open(path, "wb") as file:
        file.truncate(size)


def is_plain(member):
    """A file or folder of /out; nothing that could lead outside of the folder."""
    path = pathlib.PurePath(member.name)
    return (member.isreg() or member.isdir()) and path.parts[:1] == ("out",) and len(path.parts) > 1 \
        and ".." not in path.parts


def unpack(disk, folder: pathlib.Path):
    """Fills `folder` with what the payload left in /out; returns its exit code, or None when the archive is not
    complete."""
    code = None
    try:
        with tarfile.open(disk, "r:") as archive:
            for member in archive:
                if member.name == EXIT_CODE:
                    code = int(archive.extractfile(member).read())
                elif is_plain(member):
                    member.name = member.name.removeprefix("out/")
                    archive.extract(member, folder)
    except (tarfile.ReadError, ValueError):
        return None
    return code
