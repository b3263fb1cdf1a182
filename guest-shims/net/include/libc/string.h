/* SPDX-License-Identifier: Apache-2.0 */
/* The part of string.h that lwIP calls: runtime/string.cpp, but for strncmp, which only unused code of it does. */
#pragma once

#include <stddef.h>

void* memcpy(void* to, const void* from, size_t size);
void* memmove(void* to, const void* from, size_t size);
void* memset(void* to, int value, size_t size);
int memcmp(const void* a, const void* b, size_t size);
size_t strlen(const char* text);
int strncmp(const char* a, const char* b, size_t size);
