// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_hypervisor.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/hvm_start_info.hpp"

namespace test_support {

namespace {

using base::Code;
using base::fail;
using hypervisor::Phase;
using hypervisor::Result;

class Domain final : public hypervisor::Domain {
 public:
    Domain(std::shared_ptr<FakeMachine> machine, base::DomId id, Guest& guest)
        : hypervisor::Domain(id, machine->layout(guest.spec)), machine_(std::move(machine)), guest_(&guest) {}
    ~Domain() override {
        if (guest_ != nullptr) {
            guest_->held = false;
        }
    }

    Result<base::EvtchnPort> open_channel() override {
        BASE_TRY(in_phase(Verb::open_channel, Phase::shell));
        return base::EvtchnPort{++guest_->ports};
    }
    Result<void> seed_grant(base::GrantRef ref, base::DomId backend, base::Gfn frame) override {
        BASE_TRY(in_phase(Verb::seed_grant, Phase::shell));
        if (ref.value >= fake_grant_entries) {
            return fail(Code::invalid_argument, "no such grant entry");
        }
        grant(ref) = {base::grant_permit_access, backend.value, static_cast<std::uint32_t>(frame.value)};
        return {};
    }
    Result<std::unique_ptr<hypervisor::DataLane>> open_data_lane(std::optional<base::EvtchnPort> left) override {
        BASE_TRY(machine_->called(Verb::open_data_lane));
        return FakeDataLane::open(id_, guest_->lane,
                                  {guest_->owned, guest_->spec.memory.value, fake_grant_table_gpa, fake_grant_entries},
                                  left);
    }
    Result<void> write(std::uint64_t gpa, std::span<const std::byte> bytes) override {
        BASE_TRY(machine_->called(Verb::write));
        BASE_TRY(check_range(gpa, bytes.size()));
        std::ranges::copy(bytes, guest_->memory + gpa);
        return {};
    }
    Result<base::Mapping> map_pages(base::Gfn first, std::size_t count) override {
        BASE_TRY(machine_->called(Verb::map_pages));
        BASE_TRY(check_range(gpa_of(first), count * base::page_size));
        return base::Mapping::view(guest_->memory + gpa_of(first), count * base::page_size);
    }
    Result<base::Mapping> map_grant(base::GrantRef ref, base::DomId backend, base::Access) override {
        BASE_TRY(machine_->called(Verb::map_grant));
        const base::GrantEntryV1 entry = ref.value < fake_grant_entries ? grant(ref) : base::GrantEntryV1{};
        if ((entry.flags & base::grant_type_mask) != base::grant_permit_access || entry.domid != backend.value) {
            return fail(Code::protocol_error, "not granted");
        }
        BASE_TRY(check_range(gpa_of(base::Gfn{entry.frame}), base::page_size));
        return base::Mapping::view(guest_->memory + gpa_of(base::Gfn{entry.frame}), base::page_size);
    }
    Result<void> load(const hypervisor::Image& image, const hypervisor::BootParams& params) override {
        BASE_TRY(in_phase(Verb::load, Phase::shell));
        if (image.kind != guest_->spec.kind) {
            return fail(Code::internal, "the image is of another kind than the shell");
        }
        if (image.kind == hypervisor::GuestKind::native) {
            BASE_TRY(check_range(image.load_gpa, image.bytes.size()));
            std::ranges::copy(image.bytes, guest_->memory + image.load_gpa);
        } else {
            guest_->file.assign(image.bytes.begin(), image.bytes.end());
            grant(hypervisor::foreign_console_ref) = {base::grant_permit_access, base::dom0.value, foreign_console_gfn};
        }
        guest_->cmdline = params.cmdline;
        guest_->ramdisk.assign(params.ramdisk.begin(), params.ramdisk.end());
        guest_->phase = Phase::loaded;
        return {};
    }
    Result<void> start(hypervisor::Caller) override {
        BASE_TRY(machine_->called(Verb::start));
        if (guest_->phase != Phase::loaded && guest_->phase != Phase::started) {
            return fail(Code::bad_state, "not loaded");
        }
        guest_->phase = Phase::started;
        return {};
    }
    Result<void> notify(base::EvtchnPort) override { return machine_->called(Verb::notify); }
    Result<void> pause() override { return set_paused(Verb::pause, true); }
    Result<void> unpause() override { return set_paused(Verb::unpause, false); }
    Result<void> set_affinity(std::uint64_t cpus) override {
        BASE_TRY(machine_->called(Verb::set_affinity));
        guest_->affinity = cpus;
        return {};
    }
    Result<void> destroy() override {
        BASE_TRY(machine_->called(Verb::destroy));
        guest_ = nullptr;
        machine_->remove(id_);
        return {};
    }
    Result<hypervisor::DomainInfo> info(hypervisor::Detail) override {
        BASE_TRY(machine_->called(Verb::info));
        hypervisor::DomainInfo info;
        info.driver = "fake";
        info.phase = guest_->phase;
        info.paused = guest_->paused;
        info.blocked = guest_->blocked;
        info.death = guest_->death;
        return info;
    }

 private:
    Result<void> in_phase(Verb verb, Phase phase) {
        BASE_TRY(machine_->called(verb));
        if (guest_->phase != phase) {
            return fail(Code::bad_state, "the domain is in another phase");
        }
        return {};
    }
    Result<void> set_paused(Verb verb, bool paused) {
        BASE_TRY(machine_->called(verb));
        guest_->paused = paused;
        return {};
    }
    Result<void> check_range(std::uint64_t gpa, std::uint64_t size) const {
        const std::uint64_t all = guest_->spec.memory.value;
        if (gpa > all || size > all - gpa) {
            return fail(Code::invalid_argument, "outside the domain");
        }
        return {};
    }
    base::GrantEntryV1& grant(base::GrantRef ref) const {
        return reinterpret_cast<base::GrantEntryV1*>(guest_->memory + fake_grant_table_gpa)[ref.value];
    }

    std::shared_ptr<FakeMachine> machine_;
    Guest* guest_;
};

}  // namespace

hypervisor::Result<std::unique_ptr<hypervisor::Domain>> FakeHypervisor::create_shell(
    const hypervisor::ShellSpec& spec) {
    BASE_TRY(machine_->called(Verb::create_shell));
    BASE_ASSIGN(const auto id, machine_->add(spec));
    return std::make_unique<Domain>(machine_, id, *machine_->find(id));
}

hypervisor::Result<std::vector<std::unique_ptr<hypervisor::Domain>>> FakeHypervisor::adopt() {
    BASE_TRY(machine_->called(Verb::adopt));
    std::vector<std::unique_ptr<hypervisor::Domain>> domains;
    for (const auto id : machine_->release_unheld()) {
        domains.push_back(std::make_unique<Domain>(machine_, id, *machine_->find(id)));
    }
    return domains;
}

hypervisor::Result<void> FakeHypervisor::poll(hypervisor::EventSink& sink, std::size_t budget) {
    machine_->deliver(sink, budget);
    return {};
}

}  // namespace test_support
