// SPDX-License-Identifier: Apache-2.0
// Somebody else's toolstack, with a hypervisor of its own: a guest that is a function call.
#include <cstdio>
#include <cstring>

#include "noxs/backends.hpp"
#include "noxs/page_writer.hpp"

extern "C" std::uint32_t guest_main(const noxs::wire::DevicePage* page, std::byte* memory);

namespace {

using base::Result;

class FunctionDomain final : public hypervisor::Domain {
 public:
    static constexpr std::size_t pages = 4;

    FunctionDomain() : Domain(base::DomId(1), {base::Bytes(sizeof(memory_)), base::Gfn(0), base::Gfn(1), 1}) {}

    std::byte* memory() { return memory_; }

    Result<base::EvtchnPort> open_channel() override { return base::EvtchnPort(1); }
    Result<void> seed_grant(base::GrantRef, base::DomId, base::Gfn) override { return {}; }
    Result<std::unique_ptr<hypervisor::DataLane>> open_data_lane(std::optional<base::EvtchnPort>) override {
        return base::fail(base::Code::unsupported, "no network, no disks");
    }
    Result<void> write(std::uint64_t gpa, std::span<const std::byte> bytes) override {
        std::memcpy(memory_ + gpa, bytes.data(), bytes.size());
        return {};
    }
    Result<base::Mapping> map_pages(base::Gfn first, std::size_t count) override {
        return base::Mapping::view(memory_ + base::gpa_of(first), count * base::page_size);
    }
    Result<base::Mapping> map_grant(base::GrantRef, base::DomId, base::Access) override {
        return base::fail(base::Code::unsupported, "no grants here");
    }
    Result<void> load(const hypervisor::Image&, const hypervisor::BootParams&) override { return {}; }
    Result<void> start(hypervisor::Caller) override { return {}; }
    Result<void> notify(base::EvtchnPort) override { return {}; }
    Result<void> pause() override { return {}; }
    Result<void> unpause() override { return {}; }
    Result<void> set_affinity(std::uint64_t) override { return {}; }
    Result<void> destroy() override { return {}; }
    Result<hypervisor::DomainInfo> info(hypervisor::Detail) override { return hypervisor::DomainInfo{}; }

 private:
    alignas(base::page_size) std::byte memory_[pages * base::page_size]{};
};

class Listener final : public noxs::BackendListener {
 public:
    bool ready{false};

    void on_ready(base::DomId) override { ready = true; }
    void on_shutdown(base::DomId, noxs::wire::ShutdownReason, std::int32_t) override {}
    void on_acknowledged(base::DomId, std::uint32_t) override {}
    void on_console_output(base::DomId, std::uint64_t, std::span<const char>) override {}
};

Result<void> run(FunctionDomain& domain, Listener& listener) {
    BASE_ASSIGN(const auto port, domain.open_channel());
    noxs::wire::DeviceEntry entry{};
    entry.type = noxs::wire::DeviceType::sysctl;
    entry.port = port.value;
    entry.control_gfn = domain.layout().control_first.value;

    BASE_ASSIGN(auto control, domain.map_pages(domain.layout().control_first, 1));
    BASE_ASSIGN(
        auto backend,
        noxs::make_backend(
            {.domain = domain, .entry = entry, .control = std::move(control), .listener = listener, .console_log = {}},
            noxs::Origin::fresh));
    noxs::PageWriter writer;
    BASE_TRY(writer.add(entry));
    BASE_TRY(writer.publish(domain));

    if (guest_main(reinterpret_cast<const noxs::wire::DevicePage*>(domain.memory()), domain.memory()) != port.value) {
        return base::fail(base::Code::protocol_error, "the guest found no device");
    }
    backend->on_event(noxs::Clock::now());
    return listener.ready ? Result<void>{} : base::fail(base::Code::protocol_error, "the guest was not ready");
}

}  // namespace

int main() {
    FunctionDomain domain;
    Listener listener;
    const auto done = run(domain, listener);
    std::puts(done ? "ready" : done.error().message.c_str());
    return done ? 0 : 1;
}
