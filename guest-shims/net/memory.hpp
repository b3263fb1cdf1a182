// SPDX-License-Identifier: Apache-2.0
// lwIP's allocator (net_allocate ... in net_hooks.h): blocks of powers of two, cut from the guest's heap as they are
// needed and then kept for their size. The last block given back is the first one given out, so that a quiet guest
// touches few pages and a busy one always the same.
#pragma once

#include "guest-shims/runtime/heap.hpp"

namespace guest {

/// Before anything of lwIP is called.
void set_net_heap(Heap& heap);

}  // namespace guest
