// SPDX-License-Identifier: Apache-2.0
#include "fake_toolstack.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace chaos::test {

using split::EventKind;
using split::Result;
using split::State;

Result<FakeToolstack::Domain*> FakeToolstack::at(base::DomId domain) {
    const auto found = domains_.find(domain.value);
    if (found == domains_.end()) {
        return base::fail(base::Code::no_such_domain, "no domain has the id " + std::to_string(domain.value));
    }
    return &found->second;
}

void FakeToolstack::emit(EventKind kind, const split::DomainView& view, std::string detail, std::int32_t code) {
    observer_.on_event({kind, view.id, view.name, std::move(detail), code});
}

void FakeToolstack::become_ready(std::uint16_t id) {
    split::DomainView& view = domains_.at(id).view;
    view.ready = true;
    view.ready_ns = 87'125;
    emit(EventKind::ready, view);
}

void FakeToolstack::power_off(std::uint16_t id) {
    const split::DomainView view = domains_.at(id).view;
    emit(EventKind::shutdown, view, "powered off", 0);
    domains_.erase(id);
    emit(EventKind::destroyed, view);
}

void FakeToolstack::end_load(std::uint16_t id) {
    loading_.erase(id);
    emit(EventKind::created, domains_.at(id).view);
}

void FakeToolstack::refuse(std::uint16_t id, base::Code why, const std::string& how) {
    loading_.erase(id);
    const auto view = domains_.at(id).view;
    domains_.erase(id);
    observer_.on_event({EventKind::crashed, view.id, view.name, how, 0, why});
    emit(EventKind::destroyed, view);
}

void FakeToolstack::crash(std::uint16_t id, const std::string& how) {
    const split::DomainView view = domains_.at(id).view;
    emit(EventKind::crashed, view, how);
    domains_.erase(id);
    emit(EventKind::destroyed, view);
}

void FakeToolstack::preserve(std::uint16_t id, const hypervisor::Death& death, const split::CrashReport& report) {
    split::DomainView& view = domains_.at(id).view;
    view.state = State::crashed;
    view.death = death;
    view.crash = report;
    view.ended = split::with_function(hypervisor::describe(death), death.ip, report.function);
    emit(EventKind::crashed, view, view.ended);
}

void FakeToolstack::restart(std::uint16_t id, std::uint16_t successor) {
    Domain domain = domains_.at(id);
    const split::DomainView before = domain.view;
    domains_.erase(id);
    emit(EventKind::destroyed, before);
    domain.view.id = base::DomId{successor};
    domains_[successor] = domain;
    emit(EventKind::created, domain.view);
    emit(EventKind::rebooted, before, std::to_string(successor));
}

void FakeToolstack::say(std::uint16_t id, std::string_view text) {
    std::string& log = consoles_[id];
    const std::size_t offset = log.size();
    log += text;
    observer_.on_console_output(base::DomId{id}, offset, {text.data(), text.size()});
}

Result<void> FakeToolstack::check(const split::VmConfig& config) {
    return config.name.empty() || !find(config.name)
               ? Result<void>()
               : base::fail(base::Code::name_in_use, "a domain named '" + config.name + "' exists");
}

Result<base::DomId> FakeToolstack::create(const split::VmConfig& config, split::Clock::time_point, std::uint32_t,
                                          hypervisor::Caller) {
    if (creates_++ == fail_create_at) {
        return base::fail(base::Code::no_memory, "no memory left");
    }
    BASE_TRY(check(config));
    const base::DomId id{++last_id_};
    Domain domain;
    domain.config = config;
    domain.view.id = id;
    domain.view.name = config.name.empty() ? "guest-" + std::to_string(id.value) : config.name;
    domain.view.memory = config.memory;
    domain.view.kernel = config.kernel;
    domain.view.state = config.paused ? State::paused : State::running;
    domain.view.total_ns = 12'345;
    domains_[id.value] = domain;
    created.push_back(config);
    ++metrics_.created;
    if (loads_aside) {
        loading_.insert(id.value);
        return id;
    }
    emit(EventKind::created, domain.view);
    if (ready_at_once) {
        become_ready(id.value);
    }
    return id;
}

Result<base::DomId> FakeToolstack::find(std::string_view name) const {
    for (const auto& [id, domain] : domains_) {
        if (domain.view.name == name) {
            return base::DomId{id};
        }
    }
    return base::fail(base::Code::no_such_domain, "no domain is named '" + std::string(name) + "'");
}

Result<split::DomainView> FakeToolstack::view(base::DomId domain) const {
    BASE_ASSIGN(const Domain* const found, const_cast<FakeToolstack*>(this)->at(domain));
    return found->view;
}

bool FakeToolstack::is_ready(base::DomId domain) const {
    const auto found = domains_.find(domain.value);
    return found != domains_.end() && found->second.view.ready;
}

std::vector<split::DomainView> FakeToolstack::list() const {
    std::vector<split::DomainView> views;
    for (const auto& [id, domain] : domains_) {
        views.push_back(domain.view);
    }
    return views;
}

Result<split::DomainDetails> FakeToolstack::details(base::DomId domain) const {
    BASE_ASSIGN(const Domain* const found, const_cast<FakeToolstack*>(this)->at(domain));
    return split::DomainDetails{found->view, found->config, {}};
}

Result<std::vector<split::DeviceView>> FakeToolstack::devices(base::DomId domain) const {
    BASE_ASSIGN(const Domain* const found, const_cast<FakeToolstack*>(this)->at(domain));
    return found->devices;
}

Result<std::uint32_t> FakeToolstack::attach(base::DomId domain, split::DeviceView device) {
    BASE_ASSIGN(Domain* const found, at(domain));
    device.id = static_cast<std::uint32_t>(found->devices.size());
    device.backend = noxs::wire::State::connected;
    device.frontend = noxs::wire::State::init_wait;
    device.counters = {{"requests", 4}};
    found->devices.push_back(device);
    return device.id;
}

Result<std::uint32_t> FakeToolstack::attach(base::DomId domain, const split::VifConfig& config) {
    attached_vifs.push_back(config);
    split::DeviceView device;
    device.type = noxs::wire::DeviceType::vif;
    device.vif.emplace();
    device.vif->mac = {{2, 0, 0, 0, 0, 1}};
    device.vif->network = "default";
    device.vif->ipv4 = {{{10, 0, 0, 2}}, 24};
    device.stopped = "the ring runs away";
    return attach(domain, device);
}

Result<std::uint32_t> FakeToolstack::attach(base::DomId domain, const split::VbdConfig& config) {
    attached_vbds.push_back(config);
    split::DeviceView device;
    device.type = noxs::wire::DeviceType::vbd;
    device.vbd = config;
    return attach(domain, device);
}

Result<std::uint32_t> FakeToolstack::detach(base::DomId domain, const split::DeviceChoice& device,
                                            std::chrono::milliseconds timeout) {
    BASE_TRY(at(domain));
    detach_time = timeout;
    const auto id = static_cast<std::uint32_t>(std::stoul(device.which));
    if (lets_go_at_once) {
        let_go(domain.value, device.type, id, false);
    }
    return id;
}

void FakeToolstack::let_go(std::uint16_t id, noxs::wire::DeviceType type, std::uint32_t device, bool forced) {
    observer_.on_event({.kind = EventKind::detached,
                        .domain = base::DomId{id},
                        .name = domains_.at(id).view.name,
                        .detail = "vif 0",
                        .device = type,
                        .device_id = device,
                        .forced = forced});
}

Result<void> FakeToolstack::pause(base::DomId domain) {
    BASE_ASSIGN(Domain* const found, at(domain));
    found->view.state = State::paused;
    emit(EventKind::paused, found->view);
    return {};
}

Result<void> FakeToolstack::unpause(base::DomId domain) {
    BASE_ASSIGN(Domain* const found, at(domain));
    found->view.state = State::running;
    emit(EventKind::unpaused, found->view);
    return {};
}

Result<void> FakeToolstack::shutdown(base::DomId domain) {
    BASE_TRY(at(domain));
    return {};
}

Result<void> FakeToolstack::reboot(base::DomId domain) {
    BASE_TRY(at(domain));
    return {};
}

Result<void> FakeToolstack::destroy(base::DomId domain) {
    BASE_ASSIGN(const Domain* const found, at(domain));
    const split::DomainView view = found->view;
    domains_.erase(domain.value);
    ++metrics_.destroyed;
    emit(EventKind::destroyed, view);
    return {};
}

Result<void> FakeToolstack::rename(base::DomId domain, std::string name) {
    BASE_ASSIGN(Domain* const found, at(domain));
    found->view.name = std::move(name);
    return {};
}

Result<split::Toolstack::ConsoleText> FakeToolstack::console_log(base::DomId domain) const {
    const auto found = consoles_.find(domain.value);
    return ConsoleText{0, found == consoles_.end() ? std::string() : found->second};
}

Result<std::size_t> FakeToolstack::console_write(base::DomId domain, std::span<const char> bytes) {
    BASE_TRY(at(domain));
    const std::size_t taken = std::min(bytes.size(), console_room);
    typed.append(bytes.data(), taken);
    return taken;
}

Result<void> FakeToolstack::pool_set(const split::FlavourSettings& flavour) {
    pool_.push_back({flavour, 0, 0, 0, 0, 0, {}});
    return {};
}

bool FakeHost::turn() {
    if (work_.empty()) {
        return false;
    }
    const auto work = std::move(work_.front());
    work_.pop_front();
    work();
    return true;
}

void FakeClient::send(std::string_view lines, rpc::Kind kind) {
    ASSERT_TRUE(lines.ends_with('\n'));
    kinds.push_back(kind);
    messages_.emplace_back(lines);
}

json::Value FakeClient::take() {
    if (messages_.empty()) {
        ADD_FAILURE() << "nothing was sent";
        return {};
    }
    const std::string message = std::move(messages_.front());
    messages_.pop_front();
    auto value = json::parse(message, json::Comments::rejected);
    EXPECT_TRUE(value.has_value()) << message;
    return value ? *std::move(value) : json::Value{};
}

Api::Api(Limits limits)
    : kernel("/proc/self/exe"),
      service({"/run/test.sock", "/run/state", limits}, host,
              [this](split::Observer& observer) -> Result<std::unique_ptr<split::Toolstack>> {
                  if (refuse_open) {
                      return base::fail(base::Code::unavailable, "no hypervisor");
                  }
                  auto made = std::make_unique<FakeToolstack>(observer);
                  toolstack = made.get();
                  ++opened;
                  return made;
              }) {
    EXPECT_TRUE(service.start().has_value());
    service.connected(client);
}

Api::~Api() {
    service.disconnected(client);
}

void Api::send(std::string_view method, std::string_view params) {
    std::string text = R"({"jsonrpc":"2.0","id":)" + std::to_string(++last_id) + R"(,"method":")";
    line(text.append(method).append(R"(","params":)").append(params).append("}"));
}

json::Value Api::call(std::string_view method, std::string_view params) {
    send(method, params);
    host.settle();
    return client.take();
}

const json::Value& at(const json::Value& value, std::string_view path) {
    static const json::Value nothing;
    const json::Value* here = &value;
    while (!path.empty()) {
        const std::string_view key = path.substr(0, path.find('.'));
        path.remove_prefix(std::min(path.size(), key.size() + 1));
        const bool element = here->is(json::Type::array);
        const std::size_t index = element ? std::stoul(std::string(key)) : 0;
        here = !element ? here->find(key) : index < here->children.size() ? &here->children[index] : nullptr;
        if (here == nullptr) {
            ADD_FAILURE() << "no member " << key;
            return nothing;
        }
    }
    return *here;
}

std::string error_code(const json::Value& reply) {
    return reply.find("error") == nullptr ? std::string() : at(reply, "error.data.code").text;
}

}  // namespace chaos::test
