// SPDX-License-Identifier: Apache-2.0
// What platform/pvh_entry.S must know of hypervisor/xen/xen_abi.hpp, which an assembler can't read. xen_platform.cpp
// asserts that the two agree.
#pragma once

#define XEN_BOOT_MAGIC_ADDRESS  0x1040 /* BootPage.magic */
#define XEN_BOOT_MAGIC_LOW      0x2d786f6e
#define XEN_BOOT_MAGIC_HIGH     0x316e6578
#define XEN_START_INFO          0x2000
#define XEN_DEVICE_PAGE         0x3000
#define XEN_LOW_END             0x75000
#define XEN_RAM                 0x100000
