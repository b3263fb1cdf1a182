// SPDX-License-Identifier: Apache-2.0
// What the compiler and the standard headers call when the program is wrong. A guest has nowhere to throw to: it ends.

extern "C" [[noreturn]] void __cxa_pure_virtual() {
    __builtin_trap();
}

namespace std {

[[noreturn]] void __throw_out_of_range_fmt(const char*, ...);
void __throw_out_of_range_fmt(const char*, ...) {
    __builtin_trap();
}

}  // namespace std
