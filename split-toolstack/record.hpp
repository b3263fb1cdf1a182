// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "hypervisor/hypervisor.hpp"
#include "noxs/data_plane.hpp"
#include "noxs/wire/device_page.hpp"
#include "split-toolstack/timing.hpp"
#include "split-toolstack/vm_config.hpp"

namespace split {

using base::Result;

/// What the user wants of a domain that lives.
enum class Wanted : std::uint8_t { running, paused };

/// What a vif of the configuration has become.
struct VifRecord {
    std::uint32_t id{0};
    bool leaving{false};  ///< a detach is under way
    noxs::VifSettings settings;
};
/// The same of a vbd.
struct VbdRecord {
    std::uint32_t id{0};
    bool leaving{false};
};

/// What a later daemon must know of a domain to adopt it.
struct Record {
    static constexpr unsigned version = 1;

    base::DomId id;
    hypervisor::GuestKind kind{hypervisor::GuestKind::native};
    VmConfig config;  ///< with its final name
    std::int64_t created_unix_ms{0};
    Wanted wanted{Wanted::running};
    bool from_pool{false};
    Timing timing{};  ///< as far as known when the file was written
    std::uint64_t total_ns{0};
    std::uint64_t ready_ns{0};
    std::vector<noxs::wire::DeviceEntry> devices;  ///< of a foreign guest: its Xen console, of which only `port` counts
    std::vector<VifRecord> vifs;                   ///< as config.vifs, in its order
    std::vector<VbdRecord> vbds;                   ///< as config.vbds, in its order
    std::optional<base::EvtchnPort> lane{};        ///< the guest's port of its data lane, once it has one
    /// Of the device page; after the change of it that is under way when it is not `settled`.
    std::uint32_t generation{0};
    bool settled{true};
};

/// Appends `record` to `out` as one JSON document. Hot: one pass, no document tree.
void render_record(const Record& record, std::string& out);

/// Reads a document back; anything missing, of a wrong type or out of range is an error that names it.
Result<Record> parse_record(std::string_view text);

}  // namespace split
