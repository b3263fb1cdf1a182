// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest-shims/platform/platform.hpp"
#include "guest-shims/runtime/format.hpp"

namespace guest {

/// "Saturday, November 21, 2026 13:05:09-UTC", the form that RFC 867 shows first. `time` is Platform::wall_clock.
void put_time(TextSink& out, Nanoseconds time);

}  // namespace guest
