// SPDX-License-Identifier: Apache-2.0
// Domains and pools as JSON, for every method that shows them.
#pragma once

#include <cstdint>
#include <vector>

#include "chaos/json/writer.hpp"
#include "split-toolstack/toolstack.hpp"

namespace chaos {

/// Wall-clock milliseconds since 1970.
std::int64_t unix_ms();

/// {total_us, ready_us, from_pool, phases: {...}}
void write_timing(json::Writer& writer, const split::DomainView& view);

/// What domain.create says of a domain: id, name, state, timing.
void write_created(json::Writer& writer, const split::DomainView& view);

/// One row of domain.list; the object stays open for more members. With Detail::full it says of a guest that crashed
/// where, and with which registers.
void write_domain_members(json::Writer& writer, const split::DomainView& view,
                          hypervisor::Detail detail = hypervisor::Detail::state);

/// Whose domain it is, and members that cost a look at the host: cpu_time_us, resident_bytes, host_pid.
void write_host_members(json::Writer& writer, const hypervisor::DomainInfo& info);

/// The configuration with every key, as vm.json has them.
void write_config(json::Writer& writer, const split::VmConfig& config);

/// Its keys "vifs" and "vbds"; what was left open is left out.
void write_device_config(json::Writer& writer, const split::VmConfig& config);

/// The vifs and vbds of a domain as they are: an array.
void write_devices(json::Writer& writer, const std::vector<split::DeviceView>& devices);

void write_flavour(json::Writer& writer, const split::FlavourStatus& flavour);

}  // namespace chaos
