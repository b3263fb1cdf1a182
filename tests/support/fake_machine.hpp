// SPDX-License-Identifier: Apache-2.0
// A machine in memory for tests of everything above the hypervisor interface: what its domains hold outlives the
// driver objects, as with a real hypervisor, so that a test can let a toolstack "crash" and open another one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "hypervisor/hypervisor.hpp"
#include "tests/support/fake_data_lane.hpp"

namespace test_support {

/// What a driver is asked to do, for failure injection and counting.
enum class Verb : std::uint8_t {
    create_shell,
    adopt,
    open_channel,
    seed_grant,
    open_data_lane,
    write,
    map_pages,
    map_grant,
    load,
    start,
    notify,
    pause,
    unpause,
    set_affinity,
    destroy,
    info,
};
inline constexpr std::size_t verb_count = 16;

/// Where the grant table of a guest lies, as on the process driver.
inline constexpr std::uint64_t fake_grant_table_gpa = 0xe0000;
inline constexpr std::uint32_t fake_grant_entries = 4096;

/// Where the loader of foreign guests puts their console ring.
inline constexpr std::uint32_t foreign_console_gfn = 0x181;

/// The hardware side of one domain.
struct Guest {
    explicit Guest(const hypervisor::ShellSpec& shape);
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    ~Guest();

    hypervisor::ShellSpec spec;
    std::shared_ptr<std::byte> owned;
    std::byte* memory;  ///< guest-physical 0
    std::shared_ptr<FakeLaneEnd> lane{std::make_shared<FakeLaneEnd>()};
    hypervisor::Phase phase{hypervisor::Phase::shell};
    bool paused{false};
    bool blocked{false};
    bool held{true};  ///< a driver object stands for it
    std::uint32_t ports{0};
    std::uint64_t affinity{0};
    std::string cmdline;
    std::vector<std::byte> ramdisk;
    std::vector<std::byte> file;  ///< what the loader of a foreign guest was given
    hypervisor::Death death;
};

/// Thread-safe where hypervisor::Hypervisor is.
class FakeMachine {
 public:
    FakeMachine();

    hypervisor::Layout layout(const hypervisor::ShellSpec& spec) const;

    // ---- for the driver

    hypervisor::Result<void> called(Verb verb);
    hypervisor::Result<base::DomId> add(const hypervisor::ShellSpec& spec);
    Guest* find(base::DomId id) const;
    void remove(base::DomId id);
    std::vector<base::DomId> release_unheld();
    int poll_fd() const { return bell_.get(); }
    void deliver(hypervisor::EventSink& sink, std::size_t budget);

    // ---- for tests

    /// The call of `verb` after `skip` good ones fails, and so do `times` - 1 more.
    void fail(Verb verb, base::Code code, unsigned skip = 0, unsigned times = 1);
    unsigned calls(Verb verb) const;
    std::vector<base::DomId> ids() const;
    std::size_t count(hypervisor::Phase phase) const;
    /// The guest's end of a domain's data lane, also after the domain is gone.
    std::shared_ptr<FakeLaneEnd> lane(base::DomId id) const;
    /// The guest rings `port`; that of its data lane it rings by `lane`.
    void ring(base::DomId id, std::uint32_t port);
    void die(base::DomId id, const hypervisor::Death& death);
    /// The owner of the domains goes, and they with it.
    void lose();

    hypervisor::Capabilities capabilities;

 private:
    struct Event {
        enum class Kind : std::uint8_t { channel, death, lost } kind;
        base::DomId id;
        std::uint32_t port;
    };
    struct Fault {
        unsigned skip;
        unsigned times;
        base::Code code;
    };
    void push(Event event);
    std::optional<Event> pop();

    mutable std::mutex mutex_;
    std::map<std::uint16_t, std::unique_ptr<Guest>> guests_;
    std::deque<Event> events_;
    std::map<Verb, Fault> faults_;
    std::array<unsigned, verb_count> calls_{};
    std::uint16_t next_id_{1};
    base::Fd bell_;
};

}  // namespace test_support
