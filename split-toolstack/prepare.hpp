// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "split-toolstack/devices.hpp"
#include "split-toolstack/shape.hpp"
#include "split-toolstack/shell.hpp"

namespace split {

/// The prepare phases: reserve, channels, noxs pages, park. Thread-safe. On error nothing is left.
Result<std::unique_ptr<Shell>> prepare_shell(hypervisor::Hypervisor& hypervisor, const Shape& shape,
                                             const BackendSite& site);

/// The same for a foreign guest: reserve and, with a console, channels. It has no backends before its image is in.
Result<std::unique_ptr<Shell>> prepare_foreign(hypervisor::Hypervisor& hypervisor, const Shape& shape,
                                               const VmConfig& config);

/// Destroys a shell that nobody uses; a driver that can't is only logged, the next daemon will find the domain.
void discard(std::unique_ptr<Shell> shell);

/// Destroys `domain` on a path that has no one to report an error to.
void destroy_quietly(hypervisor::Domain& domain);

}  // namespace split
