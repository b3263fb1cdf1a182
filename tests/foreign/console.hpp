// SPDX-License-Identifier: Apache-2.0
// The Xen console ring (xen/io/console.h), the guest's side of it.
#pragma once

#include "environment.hpp"

namespace foreign {

class Console {
 public:
    explicit Console(const Environment& environment) : environment_(environment) {}

    /// Waits while the ring is full. Nothing happens where there is no console.
    void print(const char* text);
    void print(uint64_t number);

    /// Waits for a byte.
    char read();

 private:
    void ring() const;
    void wait() const;

    const Environment& environment_;
};

}  // namespace foreign
