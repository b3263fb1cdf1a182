// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_machine.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace test_support {

Guest::Guest(const hypervisor::ShellSpec& shape)
    : spec(shape), owned(make_guest_memory(shape.memory.value)), memory(owned.get()) {}

Guest::~Guest() {
    lane->end();
}

FakeMachine::FakeMachine() : bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    capabilities.name = "fake";
    capabilities.version = "1";
    capabilities.isolation = "none: memory of the test";
    capabilities.max_domains = 1000;
    capabilities.max_domains_limit = "the fake machine's 1000 domains";
    capabilities.min_memory = base::mib(2);
    capabilities.max_memory = base::mib(1024);
    capabilities.max_vcpus = 2;
}

hypervisor::Layout FakeMachine::layout(const hypervisor::ShellSpec& spec) const {
    return {.memory = spec.memory,
            .device_page = base::Gfn{0x12},
            .control_first = base::Gfn{0x15},
            .control_pages = spec.control_pages};
}

hypervisor::Result<void> FakeMachine::called(Verb verb) {
    const std::scoped_lock lock(mutex_);
    ++calls_[static_cast<std::size_t>(verb)];
    const auto fault = faults_.find(verb);
    if (fault == faults_.end()) {
        return {};
    }
    if (fault->second.skip != 0) {
        --fault->second.skip;
        return {};
    }
    const base::Code code = fault->second.code;
    if (--fault->second.times == 0) {
        faults_.erase(fault);
    }
    return base::fail(code, "injected");
}

hypervisor::Result<base::DomId> FakeMachine::add(const hypervisor::ShellSpec& spec) {
    const std::scoped_lock lock(mutex_);
    if (guests_.size() >= capabilities.max_domains) {
        return base::fail(base::Code::limit_reached, capabilities.max_domains_limit);
    }
    while (guests_.contains(next_id_)) {
        ++next_id_;
    }
    guests_.emplace(next_id_, std::make_unique<Guest>(spec));
    return base::DomId{next_id_++};
}

Guest* FakeMachine::find(base::DomId id) const {
    const std::scoped_lock lock(mutex_);
    const auto found = guests_.find(id.value);
    return found == guests_.end() ? nullptr : found->second.get();
}

void FakeMachine::remove(base::DomId id) {
    const std::scoped_lock lock(mutex_);
    guests_.erase(id.value);
}

std::vector<base::DomId> FakeMachine::release_unheld() {
    const std::scoped_lock lock(mutex_);
    std::vector<base::DomId> unheld;
    for (auto& [id, guest] : guests_) {
        if (!guest->held) {
            guest->held = true;
            unheld.emplace_back(id);
        }
    }
    return unheld;
}

void FakeMachine::push(Event event) {
    events_.push_back(event);
    const std::uint64_t one = 1;
    static_cast<void>(!::write(bell_.get(), &one, sizeof one));
}

std::optional<FakeMachine::Event> FakeMachine::pop() {
    const std::scoped_lock lock(mutex_);
    if (events_.empty()) {
        std::uint64_t count = 0;
        static_cast<void>(!::read(bell_.get(), &count, sizeof count));
        return std::nullopt;
    }
    const Event event = events_.front();
    events_.pop_front();
    return event;
}

void FakeMachine::deliver(hypervisor::EventSink& sink, std::size_t budget) {
    for (std::size_t i = 0; i < budget; ++i) {
        const auto event = pop();
        if (!event) {
            return;
        }
        const Guest* guest = find(event->id);
        switch (event->kind) {
            case Event::Kind::lost:
                sink.on_lost({base::Code::unavailable, 0, "the fake machine was switched off"});
                return;
            case Event::Kind::channel:
                if (guest != nullptr) {
                    sink.on_channel(event->id, base::EvtchnPort{event->port});
                }
                break;
            case Event::Kind::death:
                if (guest != nullptr) {
                    sink.on_death(event->id, guest->death);
                }
                break;
        }
    }
}

void FakeMachine::fail(Verb verb, base::Code code, unsigned skip, unsigned times) {
    const std::scoped_lock lock(mutex_);
    faults_.insert_or_assign(verb, Fault{skip, times, code});
}

unsigned FakeMachine::calls(Verb verb) const {
    const std::scoped_lock lock(mutex_);
    return calls_[static_cast<std::size_t>(verb)];
}

std::vector<base::DomId> FakeMachine::ids() const {
    const std::scoped_lock lock(mutex_);
    std::vector<base::DomId> all;
    for (const auto& [id, guest] : guests_) {
        all.emplace_back(id);
    }
    return all;
}

std::size_t FakeMachine::count(hypervisor::Phase phase) const {
    const std::scoped_lock lock(mutex_);
    std::size_t n = 0;
    for (const auto& [id, guest] : guests_) {
        n += guest->phase == phase ? 1 : 0;
    }
    return n;
}

std::shared_ptr<FakeLaneEnd> FakeMachine::lane(base::DomId id) const {
    const std::scoped_lock lock(mutex_);
    return guests_.at(id.value)->lane;
}

void FakeMachine::ring(base::DomId id, std::uint32_t port) {
    const std::scoped_lock lock(mutex_);
    push({Event::Kind::channel, id, port});
}

void FakeMachine::die(base::DomId id, const hypervisor::Death& death) {
    const std::scoped_lock lock(mutex_);
    Guest& guest = *guests_.at(id.value);
    guest.phase = hypervisor::Phase::dead;
    guest.death = death;
    push({Event::Kind::death, id, 0});
}

void FakeMachine::lose() {
    const std::scoped_lock lock(mutex_);
    events_.clear();
    push({Event::Kind::lost, {}, 0});
}

}  // namespace test_support
