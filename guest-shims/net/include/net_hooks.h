/* SPDX-License-Identifier: Apache-2.0 */
/* What lwIP asks of its guest: net/memory.cpp and net/port.cpp. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void* net_allocate(size_t size);
void* net_allocate_cleared(size_t count, size_t size);
void net_release(void* memory);

/* Fit for sequence numbers and ports. */
uint32_t net_random(void);
/* An assertion of lwIP failed: the guest ends. */
void net_assertion_failed(const char* what) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
