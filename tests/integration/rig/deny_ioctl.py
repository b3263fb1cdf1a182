# SPDX-License-Identifier: Apache-2.0
"""deny_ioctl.py REQUEST ARGUMENT|any ERRNO COMMAND...: runs the command so that this one request of ioctl(2) fails with
that errno, or with 0 does nothing and returns 0. For its children too."""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7fff0000, 0x00050000  # SECCOMP_RET_*
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
NR_IOCTL, NR_OFFSET, REQUEST_OFFSET, ARGUMENT_OFFSET = 16, 0, 24, 32  # struct seccomp_data


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def instructions(request, argument, error):
    tests = [(NR_OFFSET, NR_IOCTL), (REQUEST_OFFSET, request)]
    if argument is not None:
        tests.append((ARGUMENT_OFFSET, argument))
    left = 2 * len(tests)
    for offset, value in tests:
        yield LOAD, 0, 0, offset
        left -= 2
        yield EQUAL, 0, left + 1, value  # else to the end, which allows
    yield RETURN, 0, 0, ERRNO | error
    yield RETURN, 0, 0, ALLOW


def main(request, argument, error, *command):
    parts = [struct.pack("<HBBI", *one) for one in
             instructions(int(request, 0), None if argument == "any" else int(argument, 0), int(error))]
    code = ctypes.create_string_buffer(b"".join(parts))
    program = Program(len(parts), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))):
        sys.exit(f"deny_ioctl: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


main(*sys.argv[1:])
