// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "noxs/data_plane.hpp"
#include "noxs/plane/epoll.hpp"
#include "noxs/switch/switch.hpp"

namespace noxs {

/// The switches by name, and their uplinks. Plane's thread.
class Switchboard {
 public:
    /// Frames taken from an uplink before others have their turn.
    static constexpr std::size_t budget = 64;

    explicit Switchboard(const Epoll& epoll) : epoll_(&epoll) {}

    Switch* find(const std::string& name) const;
    Result<void> add(const std::string& name);
    Result<void> remove(const std::string& name);
    Result<SwitchStatus> status(const std::string& name) const;
    Result<void> plug(const std::string& name, const std::string& kind, std::unique_ptr<DataPlane::Uplink> uplink);
    Result<void> unplug(const std::string& name, const std::string& kind);

    /// The uplink's descriptor has become readable.
    void on_readable(std::uint32_t uplink);
    /// Takes frames from the uplinks that have some. Whether there may be more.
    bool round(Clock::time_point now);

 private:
    struct Plugged {
        std::uint32_t id;
        std::string kind;
        Switch* network;
        std::unique_ptr<DataPlane::Uplink> uplink;
        Switch::Place* place;
        Clock::time_point now{};
        bool ready{false};
        std::function<void(const Frame&)> into{};
    };
    Plugged* find(const Switch* network, const std::string& kind) const;
    void unplug(const Plugged* plugged);

    const Epoll* epoll_;
    std::unordered_map<std::string, std::unique_ptr<Switch>> switches_;
    std::vector<std::unique_ptr<Plugged>> uplinks_;
    std::uint32_t last_id_{0};
};

}  // namespace noxs
