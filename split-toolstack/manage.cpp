// SPDX-License-Identifier: Apache-2.0
// What the user does to domains that exist.
#include <utility>

#include "base/log.hpp"
#include "split-toolstack/names.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

using base::Code;
using base::fail;

std::unexpected<base::Error> no_such_domain(base::DomId domain) {
    return fail(Code::no_such_domain, words("no domain has the id ", domain.value));
}

Result<LiveDomain*> ToolstackImpl::living(base::DomId domain) {
    if (lost_) {
        return fail(Code::unavailable, words("the hypervisor is gone: ", lost_->message));
    }
    LiveDomain* live = domains_.find(domain);
    if (live == nullptr) {
        return no_such_domain(domain);
    }
    if (live->life == Life::ended) {
        return fail(Code::bad_state, words("domain '", live->name(), "' has ended: ", live->ending.text));
    }
    return live;
}

Result<void> ToolstackImpl::save_wanted(LiveDomain& live, Wanted wanted) {
    live.record.wanted = wanted;
    BASE_TRY(registry_.save(live.record));
    live.unsaved = false;
    return {};
}

Result<void> ToolstackImpl::pause(base::DomId domain) {
    BASE_ASSIGN(LiveDomain* const live, living(domain));
    if (live->paused()) {
        return {};
    }
    auto done = save_wanted(*live, Wanted::paused);
    if (done && live->life == Life::started) {
        done = live->domain->pause();
    }
    if (!done) {
        static_cast<void>(save_wanted(*live, Wanted::running));
        return done;
    }
    emit(EventKind::paused, *live);
    return {};
}

Result<void> ToolstackImpl::unpause(base::DomId domain) {
    BASE_ASSIGN(LiveDomain* const live, living(domain));
    if (!live->paused()) {
        return {};
    }
    auto done = save_wanted(*live, Wanted::running);
    const bool exists = live->life != Life::loading;  // otherwise it runs as soon as it does
    if (done && exists) {
        live->started = live->life == Life::loaded ? Clock::now() : live->started;
        done = live->life == Life::loaded ? live->domain->start(hypervisor::Caller::waits) : live->domain->unpause();
    }
    if (!done) {
        static_cast<void>(save_wanted(*live, Wanted::paused));
        return done;
    }
    live->life = exists ? Life::started : live->life;
    emit(EventKind::unpaused, *live);
    told_to_run(*live);
    return {};
}

Result<void> ToolstackImpl::ask(base::DomId domain, Asked asked) {
    BASE_ASSIGN(LiveDomain* const live, living(domain));
    auto* sysctl = live->devices.sysctl();
    if (sysctl == nullptr) {
        return fail(Code::unsupported, words("domain '", live->name(),
                                             "' is a kernel without noxs, which can't be asked; "
                                             "tell it over its console, or end it with chaos destroy"));
    }
    live->asked = asked;
    force_by(*live, Clock::now() + settings_.shutdown_grace);
    using noxs::wire::SysctlRequest;
    const auto request = asked == Asked::reboot ? SysctlRequest::reboot : SysctlRequest::power_off;
    if (const auto sent = sysctl->request(request); !sent) {
        base::log(base::Level::info, words("domain '", live->name(),
                                           "' can't be asked and will be ended by force: ", sent.error().message));
    }
    return {};
}

Result<void> ToolstackImpl::shutdown(base::DomId domain) {
    return ask(domain, Asked::power_off);
}
Result<void> ToolstackImpl::reboot(base::DomId domain) {
    return ask(domain, Asked::reboot);
}

Result<void> ToolstackImpl::destroy(base::DomId domain) {
    LiveDomain* const live = domains_.find(domain);
    if (live == nullptr) {
        return no_such_domain(domain);
    }
    if (live->life != Life::ended) {
        live->devices.on_all(Clock::now());
    }
    std::string name = live->name();
    const bool served = live->data.served;
    if (auto removed = remove(*live); !removed) {
        if (served && !live->data.served && live->life != Life::ended) {
            serve_adopted(*live);  // it runs on
        }
        return removed;
    }
    observer_.on_event({EventKind::destroyed, domain, std::move(name), {}, 0});
    return {};
}

Result<void> ToolstackImpl::rename(base::DomId domain, std::string name) {
    LiveDomain* const live = domains_.find(domain);
    if (live == nullptr) {
        return no_such_domain(domain);
    }
    BASE_TRY(check_name(name));
    if (name == live->name()) {
        return {};
    }
    if (domains_.find(name) != nullptr) {
        return fail(Code::name_in_use, words("a domain named '", name, "' exists"));
    }
    Record renamed = live->record;
    renamed.config.name = name;
    BASE_TRY(registry_.save(renamed));
    live->unsaved = false;
    const std::string before = live->name();
    domains_.rename(*live, name);
    observer_.on_event({EventKind::renamed, domain, before, std::move(name), 0});
    return {};
}

Result<std::size_t> ToolstackImpl::console_write(base::DomId domain, std::span<const char> bytes) {
    BASE_ASSIGN(LiveDomain* const live, living(domain));
    auto* console = live->devices.console();
    if (console == nullptr && live->life == Life::loading) {
        return 0;  // as while a frontend has not connected yet
    }
    if (console == nullptr) {
        return fail(Code::unsupported, words("domain '", live->name(), "' has no console"));
    }
    return console->write_input(bytes);
}

Result<void> ToolstackImpl::pool_set(const FlavourSettings& flavour) {
    if (lost_) {
        return fail(Code::unavailable, words("the hypervisor is gone: ", lost_->message));
    }
    return pool_->set(flavour);
}

}  // namespace split
