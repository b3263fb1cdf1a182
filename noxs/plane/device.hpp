// SPDX-License-Identifier: Apache-2.0
// What the data plane serves: one vif or vbd of one guest. All on the plane's thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/mapping.hpp"
#include "base/result.hpp"
#include "hypervisor/data_lane.hpp"
#include "noxs/backend.hpp"
#include "noxs/backends.hpp"
#include "noxs/data_plane.hpp"
#include "noxs/handshake.hpp"

namespace noxs {

class DataDevice;

/// The plane, as its devices see it. Outlives them.
class DeviceHost {
 public:
    virtual ~DeviceHost() = default;
    /// `device` wants to be run again soon (a request is done, its rings are to be looked at). Does not call it.
    virtual void wake(DataDevice& device) = 0;
    /// `device` has rung its guest, which may answer in a moment: it is looked at for a while, so that nobody need ring
    /// the plane. Hot.
    virtual void expect(DataDevice& device) { wake(device); }
    /// It was stopped, `device.stopped()` says why.
    virtual void on_stopped(DataDevice& device) = 0;
    /// The guest has followed `begin_close`.
    virtual void on_closed(DataDevice& device) = 0;
};

/// What a device is made of. `host` and `lane` outlive it.
struct DeviceParams {
    DeviceHost& host;
    hypervisor::DataLane& lane;
    wire::DeviceEntry entry;
    base::Mapping control;  ///< a whole page. Fresh: `describe` has filled it and set InitWait
    Origin origin;
    std::uint64_t features{0};  ///< that its backend offers: bits of VifFeature or VbdFeature
};

/// What a device wants after `run`.
struct Turn {
    enum class Next : std::uint8_t {
        idle,   ///< nothing to do until its guest rings or it calls DeviceHost::wake
        more,   ///< the bound on one run's work was met: run it again after the others
        later,  ///< run it at `time` (a rate limit)
    };
    Next next{Next::idle};
    bool moved{false};  ///< it found something to do. Rings of a guest that never move a device count against it
    Clock::time_point time{};

    static Turn idle(bool moved = false) { return {Next::idle, moved, {}}; }
    static Turn more() { return {Next::more, true, {}}; }
    static Turn later(Clock::time_point time, bool moved) { return {Next::later, moved, time}; }
};

/// What the plane notes of a device: Scheduler's alone.
struct Schedule {
    bool active{false};
    bool expects{false};            ///< looked at as if it had moved
    Clock::time_point moved_at{};   ///< when it last found something to do
    Clock::time_point due{};        ///< in the list of those that wait for a time; else 0
    std::uint32_t* rings{nullptr};  ///< of its guest since one of its devices moved
};

/// The handshake, and what becomes of a device, alike for all types (docs/noxs-protocol.md, section 4). A type fills in
/// the protected half.
class DataDevice {
 public:
    explicit DataDevice(DeviceParams params);
    virtual ~DataDevice() = default;
    DataDevice(const DataDevice&) = delete;
    DataDevice& operator=(const DataDevice&) = delete;

    /// Once after construction; nothing, if it was stopped already. Adopted: a device that was Connected maps its rings
    /// again.
    void begin();
    /// The guest rang, or the device asked for it: follows the handshake, then serves. Bounded work. Hot.
    Turn run(Clock::time_point now);
    /// Before the plane stops looking at the device: asks the guest for rings. False: there is work meanwhile.
    bool arm();
    /// Closing, and the guest is told; it is served until it lets go, and `on_closed` follows.
    void begin_close();
    /// Lets go of all that is the guest's, mappings at once, the control page as it is. For removal: afterwards only `quiet`
    /// and `name` may be called.
    void retire();
    /// Serves it no more: lets go, Closing, logs `why`. A stopped device stays so until it is removed.
    void stop(std::string why);
    /// Nothing of the guest's is in use, no request in flight: only then it may be destroyed, and then its lane.
    virtual bool quiet() const { return true; }

    const std::string& stopped() const { return stopped_; }
    DeviceStatus status() const;
    DeviceName name() const { return {lane_->domain(), entry_.type, entry_.id}; }
    const wire::DeviceEntry& entry() const { return entry_; }

    Schedule schedule;

 protected:
    /// Reads what the frontend published (each field once, checked) and maps its rings. An error stops the device.
    virtual Result<void> connect() = 0;
    /// Lets go of rings and requests; what is in flight is waited for by `quiet`. Also called when not connected.
    virtual void disconnect() = 0;
    /// Connected: bounded work on the rings. May call `stop`, and then returns at once.
    virtual Turn serve(Clock::time_point now) = 0;
    /// Connected: sets the event index of the rings, then looks again; false: there is work.
    virtual bool arm_rings() = 0;
    virtual Counters counters() const = 0;

    bool connected() const { return connected_; }
    /// The features that the guest uses, of those offered; each call reads the page once.
    std::uint64_t chosen_features() const;
    hypervisor::DataLane& lane() const { return *lane_; }
    /// Rings the guest.
    void ring() { lane_->notify(); }
    /// Asks the plane to run this device soon.
    void wake() { host_->wake(*this); }
    /// Rings the guest, and asks the plane to look for its answer.
    void ring_and_expect() {
        ring();
        host_->expect(*this);
    }
    template <class Control>
    Control& page() const {
        return handshake_.page<Control>();
    }

 private:
    void follow_guest();
    void establish();
    void leave(wire::State next);
    void settle();

    DeviceHost* host_;
    hypervisor::DataLane* lane_;
    wire::DeviceEntry entry_;
    Handshake handshake_;
    std::uint64_t features_;
    std::string stopped_;
    wire::State leaving_{wire::State::unknown};  // entered as soon as `quiet`
    Origin origin_;
    bool connected_{false};
    bool closing_{false};  // begin_close: on_closed is owed
    bool retired_{false};
};

}  // namespace noxs
