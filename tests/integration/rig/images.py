# SPDX-License-Identifier: Apache-2.0
"""Guest images that are wrong in one way each, made from a real one."""

import struct

EHDR = "<16sHHIQQQIHHHHHH"
PHDR = "<IIQQQQQQ"
PT_LOAD = 1


class Elf:
    """Just enough of ELF64 to damage a file on purpose."""

    def __init__(self, data):
        self.data = bytearray(data)

    def poke(self, offset, layout, value):
        struct.pack_into(layout, self.data, offset, value)
        return self

    def loads(self):
        """Offsets of the program headers of type PT_LOAD."""
        start, count = struct.unpack_from("<Q", self.data, 32)[0], struct.unpack_from("<H", self.data, 56)[0]
        offsets = [start + i * struct.calcsize(PHDR) for i in range(count)]
        return [o for o in offsets if struct.unpack_from("<I", self.data, o)[0] == PT_LOAD]

    def end_of_contents(self):
        """Where the last byte that is loaded ends in the file."""
        return max(fields[2] + fields[5] for fields in map(self.header, self.loads()))

    def header(self, offset):
        return list(struct.unpack_from(PHDR, self.data, offset))

    def write_header(self, offset, fields):
        struct.pack_into(PHDR, self.data, offset, *fields)
        return self


def overlapping(data):
    """Two segments whose memory overlaps: a copy of the last PT_LOAD takes the place of another header."""
    elf = Elf(data)
    start, count = struct.unpack_from("<Q", elf.data, 32)[0], struct.unpack_from("<H", elf.data, 56)[0]
    headers = [bytes(elf.data[start + i * 56:start + (i + 1) * 56]) for i in range(count)]
    headers.append(bytes(elf.data[elf.loads()[-1]:elf.loads()[-1] + 56]))
    new_start = len(elf.data)
    elf.data += b"".join(headers)
    return elf.poke(32, "<Q", new_start).poke(56, "<H", len(headers)).data


def bigger_than(data, size):
    """The last segment wants more memory than `size`."""
    elf = Elf(data)
    fields = elf.header(elf.loads()[-1])
    fields[6] = size
    return elf.write_header(elf.loads()[-1], fields).data


def file_size_beyond_end(data):
    elf = Elf(data)
    fields = elf.header(elf.loads()[0])
    fields[5] = fields[6] = len(data) * 2
    return elf.write_header(elf.loads()[0], fields).data


BAD_IMAGES = {
    "empty": lambda data: b"",
    "text": lambda data: b"#!/bin/sh\necho no kernel\n" * 50,
    "header-only": lambda data: data[:40],
    "truncated": lambda data: data[:Elf(data).end_of_contents() - 1],
    "other-machine": lambda data: Elf(data).poke(18, "<H", 183).data,  # EM_AARCH64
    "32-bit": lambda data: Elf(data).poke(4, "<B", 1).data,
    "big-endian": lambda data: Elf(data).poke(5, "<B", 2).data,
    "headers-outside": lambda data: Elf(data).poke(32, "<Q", 1 << 60).data,
    "overlapping": overlapping,
    "too-big": lambda data: bigger_than(data, 1 << 30),
    "wrapping": lambda data: bigger_than(data, (1 << 64) - 4096),
    "segment-outside": file_size_beyond_end,
}
