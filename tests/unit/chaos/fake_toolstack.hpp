// SPDX-License-Identifier: Apache-2.0
// A toolstack without a hypervisor, a host whose turns a test takes by hand, and a client that only listens.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "chaos/daemon/client.hpp"
#include "chaos/daemon/host.hpp"
#include "chaos/daemon/service.hpp"
#include "chaos/json/parse.hpp"
#include "split-toolstack/toolstack.hpp"
#include "tests/support/fake_networks.hpp"

namespace chaos::test {

class FakeToolstack final : public split::Toolstack {
 public:
    explicit FakeToolstack(split::Observer& observer) : observer_(observer) { capabilities_.name = "fake"; }

    // What a test makes happen.
    void become_ready(std::uint16_t id);
    void end_load(std::uint16_t id);
    void refuse(std::uint16_t id, base::Code why, const std::string& how);
    void power_off(std::uint16_t id);
    void crash(std::uint16_t id, const std::string& how);
    /// It crashes as `death` and `report` say, and is preserved.
    void preserve(std::uint16_t id, const hypervisor::Death& death, const split::CrashReport& report);
    void restart(std::uint16_t id, std::uint16_t successor);
    void say(std::uint16_t id, std::string_view text);
    void lose() { observer_.on_lost({base::Code::unavailable, 0, "killed"}); }
    std::optional<std::size_t> fail_create_at;  ///< the create of this index fails
    bool ready_at_once{false};                  ///< as guests are that can't say ready
    bool loads_aside{false};                    ///< as foreign kernels are: created by `end_load`
    /// The guest lets go of a device, or was made to.
    void let_go(std::uint16_t id, noxs::wire::DeviceType type, std::uint32_t device, bool forced);
    bool lets_go_at_once{false};
    std::size_t console_room{1024};
    std::string typed;
    std::optional<split::Clock::time_point> due;
    unsigned polls{0};

    const hypervisor::Capabilities& capabilities() const override { return capabilities_; }
    split::Result<hypervisor::HostInfo> host_info() const override {
        return hypervisor::HostInfo{.total_memory = base::mib(1024), .free_memory = base::mib(512)};
    }
    split::Result<void> check(const split::VmConfig& config) override;
    split::Result<base::DomId> create(const split::VmConfig& config, split::Clock::time_point, std::uint32_t,
                                      hypervisor::Caller) override;
    split::Result<base::DomId> find(std::string_view name) const override;
    split::Result<split::DomainView> view(base::DomId domain) const override;
    bool is_ready(base::DomId domain) const override;
    bool is_created(base::DomId domain) const override { return !loading_.contains(domain.value); }
    std::vector<split::DomainView> list() const override;
    split::Result<split::DomainDetails> details(base::DomId domain) const override;
    split::Result<void> pause(base::DomId domain) override;
    split::Result<void> unpause(base::DomId domain) override;
    split::Result<void> shutdown(base::DomId domain) override;
    split::Result<void> reboot(base::DomId domain) override;
    split::Result<void> destroy(base::DomId domain) override;
    split::Result<void> rename(base::DomId domain, std::string name) override;
    split::Result<std::vector<split::DeviceView>> devices(base::DomId domain) const override;
    split::Result<std::uint32_t> attach(base::DomId domain, const split::VifConfig& config) override;
    split::Result<std::uint32_t> attach(base::DomId domain, const split::VbdConfig& config) override;
    split::Result<std::uint32_t> detach(base::DomId domain, const split::DeviceChoice& device,
                                        std::chrono::milliseconds timeout) override;
    split::Networks& networks() override { return networks_; }
    split::Result<ConsoleText> console_log(base::DomId domain) const override;
    split::Result<std::size_t> console_write(base::DomId domain, std::span<const char> bytes) override;
    std::vector<split::FlavourStatus> pool_status() const override { return pool_; }
    split::Result<void> pool_set(const split::FlavourSettings& flavour) override;
    const split::ToolstackMetrics& metrics() const override { return metrics_; }
    noxs::DeviceTotals device_totals() const override { return {.vifs = {}, .vbds = {{"read_bytes", 4096}}}; }
    int poll_fd() const override { return 0; }
    std::optional<split::Clock::time_point> deadline() const override { return due; }
    void poll() override { ++polls; }

    std::vector<split::VmConfig> created;
    std::vector<split::VifConfig> attached_vifs;
    std::vector<split::VbdConfig> attached_vbds;
    std::chrono::milliseconds detach_time{0};

 private:
    struct Domain {
        split::DomainView view;
        split::VmConfig config;
        std::vector<split::DeviceView> devices{};
    };
    split::Result<std::uint32_t> attach(base::DomId domain, split::DeviceView device);
    split::Result<Domain*> at(base::DomId domain);
    void emit(split::EventKind kind, const split::DomainView& view, std::string detail = {}, std::int32_t code = 0);

    split::Observer& observer_;
    test_support::FakeNetworks networks_;
    hypervisor::Capabilities capabilities_;
    split::ToolstackMetrics metrics_;
    std::vector<split::FlavourStatus> pool_{split::FlavourStatus{}};
    std::map<std::uint16_t, Domain> domains_;
    std::map<std::uint16_t, std::string> consoles_;
    std::set<std::uint16_t> loading_;
    std::uint16_t last_id_{0};
    std::size_t creates_{0};
};

class FakeHost final : public Host {
 public:
    void post(std::function<void()> work) override { work_.push_back(std::move(work)); }
    void wake_at(Clock::time_point when) override { wakes.push_back(when); }
    bool watch(int fd) override {
        watched = fd;
        return true;
    }
    void stop() override { stopped = true; }
    std::vector<hypervisor::SkippedDriver> skipped_drivers() const override { return skipped; }

    /// Takes one turn; false: there is nothing to do.
    bool turn();
    void settle() {
        while (turn()) {
        }
    }

    std::vector<Clock::time_point> wakes;
    std::vector<hypervisor::SkippedDriver> skipped;
    int watched{-1};
    bool stopped{false};

 private:
    std::deque<std::function<void()>> work_;
};

/// Keeps what was sent, parsed.
class FakeClient final : public Client {
 public:
    void send(std::string_view lines, rpc::Kind kind) override;
    /// The oldest message that was not taken yet; fails the test when there is none or it is no JSON line.
    json::Value take();
    bool quiet() const { return messages_.empty(); }
    std::vector<rpc::Kind> kinds;

 private:
    std::deque<std::string> messages_;
};

/// All of them together.
struct Api {
    explicit Api(Limits limits = {});
    ~Api();
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;

    /// Sends a request without taking turns.
    void send(std::string_view method, std::string_view params);
    /// Sends a request, takes all turns, and returns the first message.
    json::Value call(std::string_view method, std::string_view params);
    void line(std::string_view text) { service.handle_line(client, text, Clock::now()); }

    std::string kernel;  ///< a file that exists
    FakeHost host;
    FakeToolstack* toolstack{nullptr};
    unsigned opened{0};
    bool refuse_open{false};
    Service service;
    FakeClient client;
    unsigned last_id{0};
};

/// Follows "result.domains.0.name" through `value`; fails the test where there is no such member.
const json::Value& at(const json::Value& value, std::string_view path);
/// data.code of an error reply; empty: it is none.
std::string error_code(const json::Value& reply);

}  // namespace chaos::test
