// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/service.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/log.hpp"
#include "chaos/daemon/methods.hpp"
#include "chaos/daemon/render.hpp"

namespace chaos {

namespace {

constexpr std::size_t destroyed_per_turn = 8;
constexpr std::uint64_t events_per_ms = 1000;  // more than ever happen: numbers of a later daemon are always higher

base::DomId number_in(const std::string& detail) {
    const std::size_t digits = detail.find_first_of("0123456789");
    std::uint16_t id = 0;
    if (digits != std::string::npos) {
        std::from_chars(detail.data() + digits, detail.data() + detail.size(), id);
    }
    return base::DomId{id};
}

}  // namespace

Service::Service(ServiceSettings settings, Host& host, OpenToolstack open)
    : settings_(std::move(settings)),
      host_(host),
      open_(std::move(open)),
      create_jobs_(clients_, turns_),
      end_waits_(clients_, host),
      detach_waits_(clients_),
      consoles_(clients_),
      events_(settings_.limits.events, static_cast<std::uint64_t>(unix_ms()) * events_per_ms),
      started_unix_ms_(unix_ms()) {}

Result<void> Service::start() {
    BASE_ASSIGN(toolstack_, open_(*this));
    create_jobs_.use(toolstack_.get());
    if (!host_.watch(toolstack_->poll_fd())) {
        create_jobs_.use(nullptr);
        toolstack_.reset();
        return base::fail(base::Code::internal, "the toolstack's descriptor can't be watched");
    }
    schedule();
    return {};
}

Result<split::Toolstack*> Service::toolstack() {
    if (!toolstack_) {
        BASE_TRY(start());
    }
    return toolstack_.get();
}

void Service::disconnected(Client& client) {
    clients_.remove(client);
    create_jobs_.client_gone(client.id);
    end_waits_.client_gone(client.id);
    detach_waits_.client_gone(client.id);
    consoles_.client_gone(client.id);
}

void Service::fail(Client& client, const rpc::Failure& failure) {
    ++metrics_.failed_requests;
    line_.clear();
    rpc::append_error(line_, failure);
    client.send(line_, rpc::Kind::reply);
}

void Service::handle_line(Client& client, std::string_view line, Clock::time_point received) {
    ++metrics_.requests;
    const auto request = rpc::parse_request(line);
    if (!request) {
        fail(client, request.error());
        return;
    }
    dispatch(client, *request, line, received);
    settle();
}

void Service::dispatch(Client& client, const rpc::Request& request, std::string_view line, Clock::time_point received) {
    const std::string_view id = request.id.empty() ? std::string_view("null") : std::string_view(request.id);
    const Method* method = find_method(request.method);
    if (method == nullptr) {
        fail(client, rpc::method_not_found(request.method, similar_method(request.method), id));
        return;
    }
    Result<void> done;
    if (client.other_version && request.method != "hello") {
        done = base::fail(base::Code::version_mismatch, "this daemon serves API version " +
                                                            std::to_string(rpc::api_version) +
                                                            "; the client said that it speaks another");
    } else {
        const Document document{"params", {}, {}, base::Code::invalid_argument};
        const Node params(document, request.params);
        done = method->run(Call{*this, client, request.id, params, line, received});
    }
    if (!done && !request.id.empty()) {
        fail(client, rpc::failure_of(done.error(), id));
    }
}

void Service::poll() {
    if (toolstack_) {
        toolstack_->poll();
    }
    settle();
}

void Service::on_time() {
    const Clock::time_point now = Clock::now();
    create_jobs_.expire(now);
    end_waits_.expire(now);
    if (toolstack_ && toolstack_->deadline().value_or(Clock::time_point::max()) <= now) {
        toolstack_->poll();
    }
    settle();
    for (const auto& when : {create_jobs_.deadline(), end_waits_.deadline()}) {
        if (when) {
            host_.wake_at(*when);
        }
    }
}

// What may not happen while the toolstack is calling us.
void Service::settle() {
    if (lost_) {
        recover();
    }
    if (!endings_.empty()) {
        tell_endings();
    }
    schedule();
}

void Service::Turns::post(std::function<void()> work) {
    service_.host_.post([&service = service_, work = std::move(work)] {
        work();
        service.settle();
    });
}

void Service::schedule() {
    if (toolstack_) {
        if (const auto when = toolstack_->deadline()) {
            host_.wake_at(*when);
        }
    }
}

void Service::record(split::Event event) {
    ++metrics_.events;
    const EventLog::Entry& entry = events_.add(std::move(event), unix_ms());
    if (clients_.has_subscribers()) {
        line_.clear();
        rpc::append_notification(line_, "event", [&](json::Writer& writer) { write_event(writer, entry); });
        clients_.broadcast(line_);
    }
}

void Service::note_ending(const split::Event& event) {
    const bool gone = event.kind == split::EventKind::destroyed || event.kind == split::EventKind::lost;
    for (PendingEnding& pending : endings_) {
        if (pending.ending.id == event.domain) {
            pending.gone = pending.gone || gone;
            return;
        }
    }
    endings_.push_back(
        {{event.domain, event.name, std::string(split::event_name(event.kind)), event.detail, event.code, event.why},
         gone,
         base::dom0});
}

void Service::note_successor(const split::Event& event) {
    for (PendingEnding& pending : endings_) {
        if (pending.ending.id == event.domain) {
            pending.successor = number_in(event.detail);
            if (pending.ending.reason == split::event_name(split::EventKind::destroyed)) {
                pending.ending.reason = split::event_name(split::EventKind::rebooted);
            }
        }
    }
}

void Service::tell_endings() {
    for (const PendingEnding& pending : std::exchange(endings_, {})) {
        const Ending& ending = pending.ending;
        const bool restarted = pending.successor != base::dom0;
        const Ending* before = ended_.find(ending.id);
        const bool known = before != nullptr && before->name == ending.name &&
                           ending.reason == split::event_name(split::EventKind::destroyed);
        if (!known && !restarted) {
            ended_.add(ending);
        }
        if (restarted) {
            create_jobs_.on_successor(ending.id, pending.successor);
        } else {
            create_jobs_.on_end(ending.id, ending.why, ending.how.empty() ? ending.reason : ending.how);
        }
        end_waits_.on_end(ending);
        detach_waits_.on_end(ending.id);
        consoles_.close(ending, pending.successor);
        if (pending.gone) {
            create_jobs_.on_gone(ending.id);
        }
    }
}

void Service::on_event(const split::Event& event) {
    record(event);
    switch (event.kind) {
        case split::EventKind::created: create_jobs_.on_created(event.domain); break;
        case split::EventKind::ready: create_jobs_.on_ready(event.domain); break;
        case split::EventKind::shutdown:
        case split::EventKind::crashed:
        case split::EventKind::destroyed:
        case split::EventKind::lost: note_ending(event); break;
        case split::EventKind::rebooted: note_successor(event); break;
        case split::EventKind::detached: detach_waits_.on_detached(event); break;
        default: break;
    }
}

void Service::on_console_output(base::DomId domain, std::uint64_t offset, std::span<const char> bytes) {
    consoles_.output(domain, offset, {bytes.data(), bytes.size()});
}

void Service::on_lost(const base::Error& why) {
    lost_ = why;
}

// The toolstack that is opened anew reports the domains that were lost.
void Service::recover() {
    const base::Error why = *std::exchange(lost_, std::nullopt);
    base::log(base::Level::error, "the hypervisor is lost, opening it anew: " + why.message);
    ++metrics_.reopened;
    create_jobs_.fail_all({base::Code::unavailable, 0, "the hypervisor was lost: " + why.message});
    host_.watch(-1);
    create_jobs_.use(nullptr);
    toolstack_.reset();
    if (auto opened = start(); !opened) {
        base::log(base::Level::error,
                  "cannot open the hypervisor anew, the next request tries again: " + opened.error().message);
    }
}

DaemonMetrics Service::metrics() const {
    DaemonMetrics metrics = metrics_;
    metrics.connections = clients_.size();
    return metrics;
}

void Service::destroy_all(std::function<void(std::size_t)> done) {
    auto domains = std::make_shared<std::vector<base::DomId>>();
    if (toolstack_) {
        for (const split::DomainView& view : toolstack_->list()) {
            domains->push_back(view.id);
        }
    }
    std::reverse(domains->begin(), domains->end());
    destroy_some(std::move(domains), 0, std::move(done));
}

void Service::destroy_some(std::shared_ptr<std::vector<base::DomId>> domains, std::size_t destroyed,
                           std::function<void(std::size_t)> done) {
    for (std::size_t i = 0; i < destroyed_per_turn && !domains->empty() && toolstack_; ++i) {
        destroyed += toolstack_->destroy(domains->back()) ? 1 : 0;
        domains->pop_back();
    }
    if (domains->empty() || !toolstack_) {
        done(destroyed);
        return;
    }
    turns_.post([this, domains = std::move(domains), destroyed, done = std::move(done)]() mutable {
        destroy_some(std::move(domains), destroyed, std::move(done));
    });
}

}  // namespace chaos
