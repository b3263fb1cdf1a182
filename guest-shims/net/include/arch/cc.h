/* SPDX-License-Identifier: Apache-2.0 */
/* lwIP's view of the compiler and of a guest without a C library. */
#pragma once

#include "net_hooks.h"

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1

/* lwIP's own ssize_t, which comes where there is no SSIZE_MAX, is not the one of the C library's headers, which those of
   C++ include. */
#ifndef SSIZE_MAX
#define SSIZE_MAX __LONG_MAX__
#endif
typedef __PTRDIFF_TYPE__ ssize_t;

#define BYTE_ORDER LITTLE_ENDIAN
#define LWIP_RAND() net_random()
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(what) net_assertion_failed(what)
