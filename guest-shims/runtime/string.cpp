// SPDX-License-Identifier: Apache-2.0
// The memory functions that the compiler expects to find, and those that string_view calls. Built with
// -fno-tree-loop-distribute-patterns: the compiler must not turn them into calls of themselves.
#include <cstddef>

extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) {
    void* d = to;
    asm volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(size) : : "memory");
    return to;
}

void* memset(void* to, int value, std::size_t size) {
    void* d = to;
    asm volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(value) : "memory");
    return to;
}

void* memmove(void* to, const void* from, std::size_t size) {
    auto* d = static_cast<unsigned char*>(to);
    const auto* s = static_cast<const unsigned char*>(from);
    if (d <= s || d >= s + size) {
        return memcpy(to, from, size);
    }
    while (size > 0) {
        --size;
        d[size] = s[size];
    }
    return to;
}

int memcmp(const void* a, const void* b, std::size_t size) {
    const auto* x = static_cast<const unsigned char*>(a);
    const auto* y = static_cast<const unsigned char*>(b);
    for (std::size_t i = 0; i < size; ++i) {
        if (x[i] != y[i]) {
            return x[i] - y[i];
        }
    }
    return 0;
}

void* memchr(const void* in, int value, std::size_t size) {
    const auto* p = static_cast<const unsigned char*>(in);
    for (std::size_t i = 0; i < size; ++i) {
        if (p[i] == static_cast<unsigned char>(value)) {
            return const_cast<unsigned char*>(p + i);
        }
    }
    return nullptr;
}

std::size_t strlen(const char* text) {
    std::size_t length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}
}
