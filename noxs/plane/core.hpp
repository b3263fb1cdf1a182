// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "noxs/backends/vif_tx.hpp"
#include "noxs/block/block_io.hpp"
#include "noxs/plane/device.hpp"
#include "noxs/plane/epoll.hpp"
#include "noxs/plane/mailbox.hpp"
#include "noxs/plane/scheduler.hpp"
#include "noxs/plane/switchboard.hpp"

namespace noxs {

/// What the toolstack is told by `DataPlane::poll`.
struct PlaneEvent {
    DeviceName device;
    std::optional<std::string> stopped;  ///< why; nothing: closed
};

/// The plane's own half of the data plane. Everything but the constructor is for its thread.
class PlaneCore final : public DeviceHost {
 public:
    using Events = Mailbox<PlaneEvent>;

    /// Rings of one guest within `ring_window` that let none of its devices do anything. A sound frontend makes next to
    /// none. On KVM and Xen a guest gets to some thousands a second.
    static constexpr std::uint32_t most_idle_rings = 10'000;
    static constexpr std::chrono::seconds ring_window{10};

    /// `blocks`: the way to disks, or why there is none.
    PlaneCore(const Epoll& epoll, Events& events, Result<std::unique_ptr<BlockIo>> blocks);
    ~PlaneCore() override;

    Switchboard& switchboard() { return switchboard_; }

    void add_domain(std::unique_ptr<hypervisor::DataLane> lane);
    /// Nobody listens to this guest's lane any more.
    void silence(base::DomId domain, std::string why);
    void add(DeviceOrder order);
    void close(const DeviceName& name);
    /// As `remove`, and tells when nothing of it is on its way any more.
    void cut(const DeviceName& name);
    /// Both unmap rings and end grants at once. What a disk still works on keeps its device, descriptor and lane for as
    /// long as that takes: nobody waits for a slow disk.
    void remove(const DeviceName& name);
    void remove_domain(base::DomId domain);
    std::vector<DeviceStatus> status(base::DomId domain) const;
    DeviceTotals totals() const;

    void on_ready(Epoll::Event event);
    /// A turn for everything that has work. Whether there may be more at once.
    bool round(Clock::time_point now);
    /// How long the thread may sleep, in milliseconds; -1: until something wakes it.
    int may_sleep(Clock::time_point now) const;
    /// Lets go of everything; the control pages stay as they are. What disks are still busy with after `patience` is left
    /// to the end of the process.
    static constexpr std::chrono::seconds patience{2};
    void shut();

    void wake(DataDevice& device) override { scheduler_.activate(device); }
    void expect(DataDevice& device) override { scheduler_.expect(device); }
    void on_stopped(DataDevice& device) override;
    void on_closed(DataDevice& device) override;

 private:
    /// Removed, perhaps with requests in flight.
    struct Leaving {
        std::unique_ptr<DataDevice> device;
        bool tell{false};
    };
    struct Guest {
        std::unique_ptr<hypervisor::DataLane> lane;
        std::vector<std::unique_ptr<DataDevice>> devices{};
        std::vector<Leaving> leaving{};
        std::optional<std::string> unheard{};
        std::uint32_t rings{0};
        Clock::time_point window{};
    };

    Guest* find(base::DomId domain) const;
    DataDevice* find(const DeviceName& name) const;
    std::unique_ptr<DataDevice> make(DeviceParams params, DeviceOrder& order);
    void on_ring(Guest& guest, Clock::time_point now);
    void silence(Guest& guest, std::string why);
    void retire(Guest& guest, std::unique_ptr<DataDevice> device, bool tell = false);
    void remove(const DeviceName& name, bool tell);
    void sweep();

    const Epoll* epoll_;
    Events* events_;
    Switchboard switchboard_;
    VifScratch scratch_;
    Result<std::unique_ptr<BlockIo>> blocks_;
    Scheduler scheduler_;
    std::unordered_map<std::uint16_t, std::unique_ptr<Guest>> guests_;
    std::vector<std::unique_ptr<Guest>> leaving_guests_;
    DeviceTotals gone_;       // of devices that were removed
    std::size_t leaving_{0};  // devices that were removed and are not quiet yet
    bool submitted_{true};    // the kernel has taken all of the last round's requests
};

}  // namespace noxs
