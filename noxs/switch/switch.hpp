// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "noxs/data_plane.hpp"
#include "noxs/switch/frame.hpp"
#include "noxs/switch/mac_table.hpp"
#include "noxs/switch/port.hpp"
#include "noxs/switch/token_bucket.hpp"

namespace noxs {

/// Passes frames between guests and uplinks (docs/networking.md). The MAC address of each vif is known from its
/// settings, so a frame that is for nobody known goes to the uplinks alone. Data plane thread only.
class Switch {
 public:
    /// Floods of one port.
    static constexpr std::uint64_t floods_per_second = 1000;
    static constexpr std::uint64_t flood_burst = 200;
    /// Copies that floods of all ports make together: about a fifth of what the plane's thread can deliver, so that
    /// a thousand guests that shout at each other leave it time for what they say to somebody.
    static constexpr std::uint64_t copies_per_second = 1'000'000;
    static constexpr std::uint64_t copy_burst = 200'000;
    /// Floods that go to no more than these (to the uplinks, in most cases) are bounded for each port only: what others
    /// shout keeps nobody from finding the gateway.
    static constexpr std::size_t few_copies = 8;
    /// Addresses learned from one port.
    static constexpr std::size_t most_learned_of_vif = 64;
    static constexpr std::size_t most_learned_of_uplink = 1024;

    /// What is plugged in at one place, and what the switch holds against it.
    class Place {
     public:
        Place(SwitchPort& port, const Station* station)
            : port_(&port), station_(station ? *station : Station{}), vif_(station != nullptr) {}
        std::size_t learned{0};  ///< MacTable's
        std::uint64_t dropped_spoofed() const { return dropped_spoofed_; }
        std::uint64_t dropped_rate() const { return dropped_rate_; }

     private:
        friend class Switch;
        bool checked() const { return vif_ && station_.check_source; }
        /// It may answer for IPv4 addresses that the switch does not know.
        bool open() const { return !checked() || !station_.ipv4; }

        SwitchPort* port_;
        Station station_;
        bool vif_;
        bool touched_{false};
        TokenBucket floods_{floods_per_second, flood_burst};
        std::uint64_t dropped_spoofed_{0};
        std::uint64_t dropped_rate_{0};
    };

    explicit Switch(std::string name) : name_(std::move(name)) {}

    /// Both until `unplug`; the port outlives that. Error name_in_use: another vif has this MAC or this IP address.
    Result<Place*> plug_vif(SwitchPort& port, const Station& station);
    Place* plug_uplink(SwitchPort& port);
    void unplug(Place* place);

    /// A frame came in at `from`: checks who says so, and delivers it. Hot.
    void forward(Place& from, const Frame& frame, Clock::time_point now);
    /// The end of a batch of `forward`: the ports that got something are flushed. Hot.
    void flush();

    const std::string& name() const { return name_; }
    bool has_vifs() const;
    SwitchStatus status() const;

 private:
    bool admit(Place& from, FrameBytes frame, Clock::time_point now);
    void deliver(Place& to, const Frame& frame);
    void to_all(const std::vector<Place*>& places, const Place& from, const Frame& frame);
    bool resolve(Place& from, const Frame& frame, Clock::time_point now);
    void ask(Place& from, Place& owner, const Frame& frame, Clock::time_point now);
    void flood(Place& from, const std::vector<Place*>& places, const Frame& frame, Clock::time_point now);
    Place* add(SwitchPort& port, const Station* station);
    bool taken(Ipv4 address, const Place& from) const;

    std::string name_;
    std::vector<std::unique_ptr<Place>> places_;
    std::vector<Place*> all_;
    std::vector<Place*> uplinks_;
    std::vector<Place*> open_;  // uplinks among them
    std::vector<Place*> touched_;
    MacTable<Place> macs_;
    std::unordered_map<std::uint32_t, Place*> by_ipv4_;
    std::map<Ipv6, Place*> by_ipv6_;
    TokenBucket copies_{copies_per_second, copy_burst};
    std::uint64_t unicasts_{0};
    std::uint64_t floods_{0};
    std::uint64_t unknown_{0};
    std::uint64_t dropped_spoofed_{0};
    std::uint64_t dropped_rate_{0};
    std::uint64_t dropped_malformed_{0};
};

}  // namespace noxs
