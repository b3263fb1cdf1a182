// SPDX-License-Identifier: Apache-2.0
#include "noxs/data_plane.hpp"

#include <csignal>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "noxs/backends.hpp"
#include "noxs/plane/core.hpp"
#include "noxs/plane/epoll.hpp"
#include "noxs/plane/mailbox.hpp"

namespace noxs {

namespace {

using Command = std::move_only_function<void(PlaneCore&)>;
using Commands = Mailbox<Command>;

class ThreadedPlane final : public DataPlane {
    void tell(Command command, Commands::Wake wake) { commands_.put(std::move(command), wake); }

    /// Runs `what` on the plane's thread and waits for its answer.
    template <class What>
    auto ask(What what) {
        std::promise<decltype(what(core_))> answer;
        auto answered = answer.get_future();
        tell([&](PlaneCore& core) { answer.set_value(what(core)); }, Commands::Wake::now);
        return answered.get();
    }

 public:
    ThreadedPlane(Epoll epoll, Commands commands, PlaneCore::Events events)
        : epoll_(std::move(epoll)),
          commands_(std::move(commands)),
          events_(std::move(events)),
          core_(epoll_, events_, BlockIo::open()),
          thread_([this] { run(); }) {}

    ~ThreadedPlane() override {
        tell([this](PlaneCore&) { ends_ = true; }, Commands::Wake::now);
        thread_.join();
    }

    Result<void> add_switch(const std::string& name) override {
        return ask([&](PlaneCore& core) { return core.switchboard().add(name); });
    }
    Result<void> remove_switch(const std::string& name) override {
        return ask([&](PlaneCore& core) { return core.switchboard().remove(name); });
    }
    Result<SwitchStatus> switch_status(const std::string& name) override {
        return ask([&](PlaneCore& core) { return core.switchboard().status(name); });
    }
    Result<void> plug(const std::string& switch_name, const std::string& kind,
                      std::unique_ptr<Uplink> uplink) override {
        return ask([&](PlaneCore& core) { return core.switchboard().plug(switch_name, kind, std::move(uplink)); });
    }
    Result<void> unplug(const std::string& switch_name, const std::string& kind) override {
        return ask([&](PlaneCore& core) { return core.switchboard().unplug(switch_name, kind); });
    }

    /// The doorbell is watched from here, so that the guest's first ring is what wakes the plane: a launch pays for no
    /// wake-up. It may ring at once (what binds an event channel of Xen finds it rung), so the plane is told before.
    void add_domain(std::unique_ptr<hypervisor::DataLane> lane) override {
        const int doorbell = lane->doorbell();
        const base::DomId domain = lane->domain();
        tell([lane = std::move(lane)](PlaneCore& core) mutable { core.add_domain(std::move(lane)); },
             Commands::Wake::later);
        if (const auto watched = epoll_.watch(doorbell, EPOLLIN | EPOLLET, {Source::lane, domain.value}); !watched) {
            tell([domain, why = "its doorbell: " + watched.error().message](
                     PlaneCore& core) mutable { core.silence(domain, std::move(why)); },
                 Commands::Wake::now);
        }
    }
    /// A guest that is yet to learn of its device rings when it has found it.
    void add(DeviceOrder order) override {
        const auto wake = order.origin == Origin::fresh ? Commands::Wake::later : Commands::Wake::now;
        tell([order = std::move(order)](PlaneCore& core) mutable { core.add(std::move(order)); }, wake);
    }
    void close(const DeviceName& device) override {
        tell([device](PlaneCore& core) { core.close(device); }, Commands::Wake::now);
    }
    void cut(const DeviceName& device) override {
        tell([device](PlaneCore& core) { core.cut(device); }, Commands::Wake::now);
    }
    void remove(const DeviceName& device) override {
        ask([&](PlaneCore& core) {
            core.remove(device);
            return true;
        });
    }
    void remove_domain(base::DomId domain) override {
        ask([&](PlaneCore& core) {
            core.remove_domain(domain);
            return true;
        });
    }
    std::vector<DeviceStatus> status(base::DomId domain) override {
        return ask([&](PlaneCore& core) { return core.status(domain); });
    }
    DeviceTotals totals() override {
        return ask([](PlaneCore& core) { return core.totals(); });
    }

    int poll_fd() const override { return events_.fd(); }
    void poll(PlaneListener& listener) override {
        events_.hush();
        for (const auto& event : events_.take()) {
            event.stopped ? listener.on_stopped(event.device, *event.stopped) : listener.on_closed(event.device);
        }
    }

 private:
    /// While there is work: how long those who ring meanwhile wait to be seen.
    static constexpr std::chrono::microseconds between_looks{50};

    void obey() {
        for (auto& command : commands_.take()) {
            command(core_);
        }
    }

    /// Commands come before rings: who rings for a device is never earlier than its order.
    void look(int timeout_ms) {
        epoll_.wait(timeout_ms, [this, first = true](Epoll::Event event) mutable {
            if (std::exchange(first, false)) {
                obey();
            }
            if (event.source == Source::commands) {
                commands_.hush();
            }
            core_.on_ready(event);
        });
    }

    void run() {
        Clock::time_point looked{};
        for (obey(); !ends_; obey()) {
            const auto now = Clock::now();
            const bool moved = core_.round(now);
            if (!moved || now - looked >= between_looks) {
                look(moved ? 0 : core_.may_sleep(now));
                looked = now;
            }
        }
        core_.shut();
    }

    Epoll epoll_;
    Commands commands_;
    PlaneCore::Events events_;
    PlaneCore core_;
    bool ends_{false};  // the plane's thread alone
    std::thread thread_;
};

/// Signals are the toolstack's: while one lives, threads that are started take none.
class SignalsBlocked {
 public:
    SignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
    sigset_t before_{};
};

}  // namespace

Result<std::unique_ptr<DataPlane>> DataPlane::open() {
    BASE_ASSIGN(auto epoll, Epoll::open());
    BASE_ASSIGN(auto commands, Commands::open());
    BASE_ASSIGN(auto events, PlaneCore::Events::open());
    BASE_TRY(epoll.watch(commands.fd(), EPOLLIN, {Source::commands, 0}));
    const SignalsBlocked blocked;
    return std::make_unique<ThreadedPlane>(std::move(epoll), std::move(commands), std::move(events));
}

}  // namespace noxs
