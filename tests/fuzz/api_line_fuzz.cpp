// SPDX-License-Identifier: Apache-2.0
// Lines of the API, through the service and a toolstack that does nothing.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string_view>

#include "base/log.hpp"
#include "chaos/daemon/service.hpp"
#include "chaos/json/parse.hpp"
#include "chaos/rpc/line_buffer.hpp"
#include "tests/support/fake_networks.hpp"

namespace {

using split::Result;

Result<void> none(base::DomId id) {
    return id.value == 1 ? Result<void>() : base::fail(base::Code::no_such_domain, "no such domain");
}

/// A guest that has crashed, and left what no JSON may carry as it is.
split::DomainView crashed_view() {
    split::DomainView view;
    view.state = split::State::crashed;
    view.death = {hypervisor::DeathKind::crashed, 0, 11, 1, 2, hypervisor::Registers{}};
    view.crash = {"f\"\xff", {"g\n", "\x1b"}, "\\"};
    return view;
}

class IdleToolstack final : public split::Toolstack {
 public:
    const hypervisor::Capabilities& capabilities() const override { return capabilities_; }
    Result<void> check(const split::VmConfig&) override { return {}; }
    Result<base::DomId> create(const split::VmConfig&, split::Clock::time_point, std::uint32_t,
                               hypervisor::Caller) override {
        return base::fail(base::Code::no_memory, "no memory");
    }
    Result<base::DomId> find(std::string_view) const override { return base::DomId{1}; }
    Result<split::DomainView> view(base::DomId id) const override {
        BASE_TRY(none(id));
        return split::DomainView{};
    }
    Result<hypervisor::HostInfo> host_info() const override { return hypervisor::HostInfo{}; }
    bool is_ready(base::DomId) const override { return false; }
    bool is_created(base::DomId) const override { return true; }
    std::vector<split::DomainView> list() const override { return {split::DomainView{}}; }
    Result<split::DomainDetails> details(base::DomId id) const override {
        BASE_TRY(none(id));
        return split::DomainDetails{crashed_view(), {}, {}};
    }
    Result<void> pause(base::DomId id) override { return none(id); }
    Result<void> unpause(base::DomId id) override { return none(id); }
    Result<void> shutdown(base::DomId id) override { return none(id); }
    Result<void> reboot(base::DomId id) override { return none(id); }
    Result<void> destroy(base::DomId id) override { return none(id); }
    Result<void> rename(base::DomId id, std::string) override { return none(id); }
    Result<std::vector<split::DeviceView>> devices(base::DomId id) const override {
        BASE_TRY(none(id));
        split::DeviceView device;
        device.type = noxs::wire::DeviceType::vif;
        device.vif.emplace().network = "\xff";
        device.stopped = "\"";
        device.frontend = noxs::wire::State{99};
        return std::vector{device};
    }
    Result<std::uint32_t> attach(base::DomId, const split::VifConfig&) override { return 0U; }
    Result<std::uint32_t> attach(base::DomId, const split::VbdConfig&) override { return 0U; }
    Result<std::uint32_t> detach(base::DomId, const split::DeviceChoice&, std::chrono::milliseconds) override {
        return 0U;
    }
    split::Networks& networks() override { return networks_; }
    Result<ConsoleText> console_log(base::DomId) const override { return ConsoleText{0, "log\xff"}; }
    Result<std::size_t> console_write(base::DomId, std::span<const char> bytes) override { return bytes.size(); }
    std::vector<split::FlavourStatus> pool_status() const override { return {split::FlavourStatus{}}; }
    Result<void> pool_set(const split::FlavourSettings&) override { return {}; }
    const split::ToolstackMetrics& metrics() const override { return metrics_; }
    noxs::DeviceTotals device_totals() const override { return {}; }
    int poll_fd() const override { return 0; }
    std::optional<split::Clock::time_point> deadline() const override { return std::nullopt; }
    void poll() override {}

 private:
    hypervisor::Capabilities capabilities_;
    test_support::FakeNetworks networks_;
    split::ToolstackMetrics metrics_;
};

class TurnQueue final : public chaos::Host {
 public:
    void post(std::function<void()> work) override { work_.push_back(std::move(work)); }
    void wake_at(chaos::Clock::time_point) override {}
    bool watch(int) override { return true; }
    void stop() override {}
    void run() {
        while (!work_.empty()) {
            const auto work = std::move(work_.front());
            work_.pop_front();
            work();
        }
    }

 private:
    std::deque<std::function<void()>> work_;
};

// Every line that goes out must be one JSON document.
class CheckingClient final : public chaos::Client {
 public:
    void send(std::string_view line, chaos::rpc::Kind) override {
        const bool whole = line.ends_with('\n') && line.find('\n') + 1 == line.size();
        if (!whole || !chaos::json::parse(line, chaos::json::Comments::rejected)) {
            __builtin_trap();
        }
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    base::set_log_level(base::Level::error);
    TurnQueue host;
    chaos::Service service({}, host, [](split::Observer&) -> Result<std::unique_ptr<split::Toolstack>> {
        return std::make_unique<IdleToolstack>();
    });
    CheckingClient client;
    service.connected(client);
    chaos::rpc::LineBuffer input(chaos::Limits{}.request.value);
    input.append({reinterpret_cast<const char*>(data), size});
    while (const auto line = input.next()) {
        service.handle_line(client, *line, chaos::Clock::now());
        host.run();
    }
    service.disconnected(client);
    host.run();
    return 0;
}
