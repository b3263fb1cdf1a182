// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "split-toolstack/devices.hpp"
#include "split-toolstack/ending.hpp"
#include "split-toolstack/record.hpp"
#include "split-toolstack/toolstack.hpp"

namespace split {

/// How far a launched domain has come.
enum class Life : std::uint8_t {
    loading,  ///< a foreign kernel: the loader has the domain, `LiveDomain::domain` is null
    loaded,
    started,
    ended,
};

/// What the user last asked a living guest to do.
enum class Asked : std::uint8_t { nothing, power_off, reboot };

/// What is under way with the network and disks of a domain.
struct DataState {
    struct Leaving {
        noxs::wire::DeviceType type;
        std::uint32_t id;
        Clock::time_point until;  ///< then it is taken away, whatever the guest does
        bool forced{false};       ///< the data plane is to let go of it; `until` is over
    };
    /// A disk that an adopted guest had and that could not be opened again.
    struct MissingDisk {
        std::uint32_t id;
        Clock::time_point until;  ///< it is tried again until then
        std::string why;
        bool given_up{false};
    };

    bool served{false};      ///< the data plane has its lane
    bool bequeathed{false};  ///< its addresses go to its successor
    std::vector<Leaving> leaving;
    std::vector<MissingDisk> missing;
};

/// A restart that waits until the disks are free: requests of the guest that ended may still be under way.
struct Postponed {
    Ending ending;
    Clock::time_point until;
    Clock::time_point begin;
    std::uint32_t parse_ns{0};
    Wanted wanted{Wanted::running};
    bool fresh{false};  ///< not from the pool
};

/// A domain that the user knows of. A few hundred bytes: there may be thousands.
struct LiveDomain {
    Record record;
    std::unique_ptr<hypervisor::Domain> domain;
    Devices devices;
    DataState data;
    Life life{Life::loaded};
    Asked asked{Asked::nothing};
    bool ready{false};
    bool has_output{false};     ///< its console log may hold something
    bool unsaved{false};        ///< its file lacks what was measured since
    bool adopted{false};        ///< launched by an earlier daemon: `begin` is not known
    Clock::time_point begin{};  ///< the call of create
    Clock::time_point started{};
    std::optional<Clock::time_point> force_at;    ///< it must be gone by then
    std::optional<Clock::time_point> console_at;  ///< its throttled devices are looked at again
    RestartLimit restarts;
    hypervisor::Death death;               ///< in Life::ended
    Ending ending;                         ///< in Life::ended
    std::unique_ptr<Postponed> postponed;  ///< in Life::ended

    base::DomId id() const { return record.id; }
    const std::string& name() const { return record.config.name; }
    bool foreign() const { return record.kind != hypervisor::GuestKind::native; }
    bool paused() const { return record.wanted == Wanted::paused; }
};

/// The domains by id and by name.
class DomainTable {
 public:
    LiveDomain* find(base::DomId id) const { return id.value < slots_.size() ? slots_[id.value].get() : nullptr; }
    LiveDomain* find(std::string_view name) const;
    std::size_t size() const { return names_.size(); }

    /// Both id and name are free.
    LiveDomain& insert(std::unique_ptr<LiveDomain> domain);
    std::unique_ptr<LiveDomain> erase(base::DomId id);
    /// `name` is free.
    void rename(LiveDomain& domain, std::string name);

    /// `wanted`, or if it is empty or taken a free name made from it or from `id`.
    std::string free_name(std::string_view wanted, base::DomId id) const;

    /// Calls `f(LiveDomain&)` for each, by rising id. It must not insert or erase.
    template <class F>
    void for_each(F f) const {
        for (const auto& slot : slots_) {
            if (slot) {
                f(*slot);
            }
        }
    }

 private:
    std::vector<std::unique_ptr<LiveDomain>> slots_;
    std::unordered_map<std::string_view, LiveDomain*> names_;  // keys look into the domains' records
};

}  // namespace split
