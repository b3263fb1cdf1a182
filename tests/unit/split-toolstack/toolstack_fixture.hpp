// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "split-toolstack/toolstack.hpp"
#include "tests/support/elf_builder.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/fake_data_plane.hpp"
#include "tests/support/fake_hypervisor.hpp"
#include "tests/support/scripted_guest.hpp"
#include "tests/support/temp_dir.hpp"

namespace split {

/// Keeps what it is told, as text: "crashed web 3 SIGSEGV ...".
class Recorder final : public Observer {
 public:
    void on_event(const Event& event) override {
        events.push_back(event);
        log.push_back(std::string(event_name(event.kind)) + " " + event.name);
    }
    void on_console_output(base::DomId, std::uint64_t, std::span<const char> bytes) override {
        console.append(bytes.begin(), bytes.end());
    }
    void on_lost(const base::Error& why) override { lost = why.message; }

    /// What was told since the last call.
    std::vector<std::string> take() { return std::exchange(log, {}); }

    std::vector<Event> events;
    std::vector<std::string> log;
    std::string console;
    std::string lost;
};

/// A toolstack on a machine in memory, with one kernel. Without a pool unless a test adds a flavour.
class ToolstackTest : public testing::Test {
 protected:
    ToolstackTest() : machine(std::make_shared<test_support::FakeMachine>()) {
        kernel = dir.write("k.elf", test_support::build_elf({}));
        settings.state_dir = dir.file("state");
        settings.shutdown_grace = std::chrono::milliseconds(0);
    }

    void open() {
        auto opened = Toolstack::open(settings, std::make_unique<test_support::FakeHypervisor>(machine), recorder,
                                      std::make_unique<test_support::FakeDataPlane>(plane));
        ASSERT_TRUE(opened) << opened.error().message;
        toolstack = *std::move(opened);
    }
    /// What the end of a daemon and the start of another one are.
    void reopen() {
        toolstack.reset();
        open();
    }

    VmConfig config(std::string name = {}) const {
        VmConfig config;
        config.name = std::move(name);
        config.kernel = kernel;
        return config;
    }
    Result<base::DomId> create(const VmConfig& config) { return toolstack->create(config, Clock::now(), 500); }
    base::DomId create_named(const std::string& name) {
        const auto id = create(config(name));
        EXPECT_TRUE(id) << id.error().message;
        return id.value_or(base::DomId{});
    }
    test_support::ScriptedGuest guest(base::DomId id) { return {*machine, id}; }

    bool has_record(base::DomId id) const {
        return std::filesystem::exists(settings.state_dir + "/domains/" + std::to_string(id.value) + ".json");
    }
    /// Files under domains/ and console/ that say something.
    std::size_t files() const {
        std::size_t n = 0;
        for (const auto* folder : {"/domains", "/console"}) {
            for (const auto& entry : std::filesystem::directory_iterator(settings.state_dir + folder)) {
                n += entry.is_regular_file() && entry.path().extension() != ".tmp" ? 1 : 0;
            }
        }
        return n;
    }
    void expect_nothing_left() {
        EXPECT_TRUE(machine->ids().empty());
        EXPECT_EQ(files(), 0u);
        EXPECT_TRUE(toolstack->list().empty());
        EXPECT_TRUE(plane->lanes.empty());
        EXPECT_THAT(plane->mistakes, testing::IsEmpty());
    }

    test_support::TempDir dir;
    std::string kernel;
    std::shared_ptr<test_support::FakeMachine> machine;
    std::shared_ptr<test_support::FakePlaneState> plane = std::make_shared<test_support::FakePlaneState>();
    ToolstackSettings settings;
    Recorder recorder;
    std::unique_ptr<Toolstack> toolstack;
};

}  // namespace split
