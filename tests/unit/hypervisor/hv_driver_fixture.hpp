// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "hypervisor/drivers.hpp"
#include "hypervisor/hypervisor.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace hypervisor::process {

using namespace std::chrono_literals;

struct Recorder : EventSink {
    std::map<std::uint16_t, unsigned> rings;
    std::map<std::uint16_t, Death> deaths;
    bool lost{false};
    void on_channel(base::DomId domain, base::EvtchnPort port) override {
        EXPECT_EQ(port.value, 5U);
        ++rings[domain.value];
    }
    void on_death(base::DomId domain, const Death& death) override { deaths[domain.value] = death; }
    void on_lost(const base::Error&) override { lost = true; }
};

/// A driver whose domains chaos-hv owns, with a chaos-hv of its own and guests of a few instructions.
class HvDriverTest : public ::testing::Test {
 protected:
    using Opener = Result<std::unique_ptr<Hypervisor>> (*)(const DriverOptions&);
    using Code = std::span<const std::byte>;

    explicit HvDriverTest(Opener opener) : opener_(opener) {}

    void SetUp() override {
        std::string folder = ::testing::TempDir() + "chaos-hv-XXXXXX";
        ASSERT_NE(::mkdtemp(folder.data()), nullptr);
        options_.runtime_dir = folder;
        options_.helper_dir = std::string(CHAOS_BINARY_DIR) + "/bin";
        open();
    }
    void TearDown() override {
        for (auto& domain : domains_) {
            EXPECT_TRUE(domain->destroy());
        }
        domains_.clear();
        driver_.reset();
        EXPECT_TRUE(socket_goes());
        std::filesystem::remove_all(options_.runtime_dir);
    }
    /// Why the driver does not open on this machine; empty: it does.
    std::string refusal() {
        std::string folder = ::testing::TempDir() + "chaos-hv-XXXXXX";
        EXPECT_NE(::mkdtemp(folder.data()), nullptr);
        const auto opened = opener_({folder, std::string(CHAOS_BINARY_DIR) + "/bin"});
        std::filesystem::remove_all(folder);
        return opened ? "" : opened.error().message;
    }
    /// chaos-hv ends when nobody is connected and no domain is left; it takes its socket with it.
    bool socket_goes() const {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (std::filesystem::exists(options_.runtime_dir + "/hv.sock")) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }
    void open() {
        auto opened = opener_(options_);
        ASSERT_TRUE(opened) << opened.error().message;
        driver_ = std::move(*opened);
        auto adopted = driver_->adopt();
        ASSERT_TRUE(adopted) << adopted.error().message;
        domains_ = std::move(*adopted);
    }
    Domain& shell(unsigned vcpus = 1) { return shell({.memory = base::mib(4), .vcpus = vcpus}); }
    Domain& shell(const ShellSpec& spec) {
        auto domain = driver_->create_shell(spec);
        EXPECT_TRUE(domain) << domain.error().message;
        domains_.push_back(std::move(*domain));
        return *domains_.back();
    }
    /// All of `code` at the begin of RAM, to be entered at `entry`, which lies in it.
    void load(Domain& domain, Code code, const std::byte* entry, std::string_view cmdline = "quiet") {
        Image image;
        image.load_gpa = abi::ram_gpa;
        image.bytes = code;
        image.end_gpa = abi::ram_gpa + code.size();
        image.entry64 = abi::ram_gpa + static_cast<std::uint64_t>(entry - code.data());
        const auto loaded = domain.load(image, {cmdline, {}});
        ASSERT_TRUE(loaded) << loaded.error().message;
    }
    Domain& run(Code code, const std::byte* entry, unsigned vcpus = 1) {
        auto& domain = shell(vcpus);
        load(domain, code, entry);
        EXPECT_TRUE(domain.start(Caller::waits));
        return domain;
    }
    bool poll_until(const std::function<bool()>& done) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!done()) {
            pollfd wait{driver_->poll_fd(), POLLIN, 0};
            if (std::chrono::steady_clock::now() > deadline || ::poll(&wait, 1, 1000) < 0) {
                return false;
            }
            EXPECT_TRUE(driver_->poll(seen_, 64));
        }
        return true;
    }
    static bool gone(pid_t pid) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (::kill(pid, 0) == 0 && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::yield();
        }
        return ::kill(pid, 0) == -1 && errno == ESRCH;
    }
    Death death_of(Domain& domain) {
        EXPECT_TRUE(poll_until([&] { return seen_.deaths.contains(domain.id().value); }));
        return seen_.deaths[domain.id().value];
    }

    Opener opener_;
    DriverOptions options_;
    std::unique_ptr<Hypervisor> driver_;
    std::vector<std::unique_ptr<Domain>> domains_;
    Recorder seen_;
};

}  // namespace hypervisor::process
