/* SPDX-License-Identifier: Apache-2.0 */
/* What stub.S knows of kvm_abi.hpp; stub.hpp checks it. */
#pragma once

#define STUB_START_INFO    0x11000
#define STUB_DEVICE_PAGE   0x12000
#define STUB_GRANT_TABLE   0xe0000
#define STUB_EVENT_PAGE    0x14000
#define STUB_WARM_STACK    0x10f000
#define STUB_WARM_IMAGE    0x110000
#define STUB_WARM_END      0x113000
#define STUB_EV_ENTRY      48
#define STUB_EV_START_INFO 56
#define STUB_MACHINE_PAGE  0x14400
#define STUB_MP_TIMESTAMP  8
#define STUB_MP_VCPUS      120
#define STUB_VCPU_SIZE     24
#define STUB_VCPU_STACK    8
#define STUB_VCPU_ARGUMENT 16
#define STUB_PORT_FIRST    0x10
#define STUB_PORT_PARK     0x24
#define STUB_PORT_END      0x30
#define STUB_PLATFORM_ID   2
