# SPDX-License-Identifier: Apache-2.0
"""What Xen itself says about domains, through its own control library: independent of the driver under test."""

import ctypes
import functools

LIBRARY = "libxenctrl.so.4.17"
SHUTDOWN_CRASH = 3                   # xen/sched.h
DYING, SHUT_DOWN, PAUSED = 1 << 0, 1 << 2, 1 << 3  # xen/domctl.h: XEN_DOMINF_*
TAG = b"NOXS"                        # hypervisor/xen/domain_tag.cpp: first bytes of the handle, and
INSTANCE = slice(12, 16)             # who made the domain
DOMAINS_AT_ONCE = 256


class DomainInfo(ctypes.Structure):
    """xen/domctl.h: struct xen_domctl_getdomaininfo of Xen 4.17."""
    _fields_ = [("domain", ctypes.c_uint16), ("pad1", ctypes.c_uint16), ("flags", ctypes.c_uint32),
                ("tot_pages", ctypes.c_uint64), ("max_pages", ctypes.c_uint64), ("outstanding_pages", ctypes.c_uint64),
                ("shr_pages", ctypes.c_uint64), ("paged_pages", ctypes.c_uint64),
                ("shared_info_frame", ctypes.c_uint64), ("cpu_time", ctypes.c_uint64),
                ("nr_online_vcpus", ctypes.c_uint32), ("max_vcpu_id", ctypes.c_uint32), ("ssidref", ctypes.c_uint32),
                ("handle", ctypes.c_uint8 * 16), ("cpupool", ctypes.c_uint32), ("gpaddr_bits", ctypes.c_uint8),
                ("pad2", ctypes.c_uint8 * 7), ("emulation_flags", ctypes.c_uint32), ("misc_flags", ctypes.c_uint32)]


class Control:
    def __init__(self):
        self.library = ctypes.CDLL(LIBRARY, use_errno=True)
        self.library.xc_interface_open.restype = ctypes.c_void_p
        self.handle = self.library.xc_interface_open(None, None, 0)
        assert self.handle, "libxenctrl finds no Xen: not in dom0?"

    def call(self, name, *arguments):
        result = getattr(self.library, name)(ctypes.c_void_p(self.handle), *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), name)
        return result

    def domains(self):
        """Of all domains but dom0."""
        found, first = [], 1
        while True:
            infos = (DomainInfo * DOMAINS_AT_ONCE)()
            count = self.call("xc_domain_getinfolist", ctypes.c_uint32(first), ctypes.c_uint(DOMAINS_AT_ONCE), infos)
            found += infos[:count]
            if count < DOMAINS_AT_ONCE:
                return found
            first = found[-1].domain + 1

    def info(self, domain):
        return next((info for info in self.domains() if info.domain == domain), None)

    def free_bytes(self):
        found = ctypes.c_uint64()
        self.call("xc_availheap", ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(-1), ctypes.byref(found))
        return found.value

    def crash(self, domain):
        self.call("xc_domain_shutdown", ctypes.c_uint32(domain), ctypes.c_int(SHUTDOWN_CRASH))

    def destroy(self, domain):
        self.call("xc_domain_destroy", ctypes.c_uint32(domain))


@functools.cache
def control():
    return Control()


def instance_of(path):
    """hypervisor/xen/domain_tag.cpp: FNV-1a of the runtime directory."""
    value = 2166136261
    for byte in str(path).encode():
        value = (value ^ byte) * 16777619 & 0xffffffff
    return value.to_bytes(4, "little")


def domains_of(path):
    """Those that a daemon with this runtime directory made."""
    wanted = instance_of(path)
    return [info for info in control().domains()
            if bytes(info.handle).startswith(TAG) and bytes(info.handle)[INSTANCE] == wanted]
