// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/units.hpp"
#include "chaos/daemon/methods.hpp"
#include "chaos/daemon/render.hpp"

namespace chaos {

namespace {

constexpr std::chrono::milliseconds default_timeout{60'000};

struct DomainParams {
    Target target;
    bool details{false};
    bool wait{false};
    bool all{false};
    std::optional<std::string> new_name;
    std::chrono::milliseconds timeout{default_timeout};
};

Result<void> read_id(const Node& node, DomainParams& params) {
    return read_target_id(node, params.target);
}
Result<void> read_name(const Node& node, DomainParams& params) {
    return read_target_name(node, params.target);
}
Result<void> read_limit(const Node& node, DomainParams& params) {
    return read_timeout(node, params.timeout);
}

template <bool DomainParams::*flag>
Result<void> read_flag(const Node& node, DomainParams& params) {
    BASE_ASSIGN(params.*flag, node.boolean());
    return {};
}

constexpr Field<DomainParams> target_fields[] = {{"id", read_id}, {"name", read_name}};
constexpr Field<DomainParams> list_fields[] = {{"details", read_flag<&DomainParams::details>}};
constexpr Field<DomainParams> end_fields[] = {
    {"id", read_id}, {"name", read_name}, {"wait", read_flag<&DomainParams::wait>}, {"timeout_ms", read_limit}};
constexpr Field<DomainParams> wait_fields[] = {{"id", read_id}, {"name", read_name}, {"timeout_ms", read_limit}};
constexpr Field<DomainParams> destroy_fields[] = {
    {"id", read_id}, {"name", read_name}, {"all", read_flag<&DomainParams::all>}};
constexpr Field<DomainParams> rename_fields[] = {
    {"id", read_id}, {"name", read_name}, {"new_name", [](const Node& node, DomainParams& params) -> Result<void> {
                                               BASE_ASSIGN(const std::string_view name, node.string());
                                               params.new_name = std::string(name);
                                               const auto good = check_name(name);
                                               return good ? Result<void>() : node.fail(good.error().message);
                                           }}};

Result<void> list(const Call& call) {
    DomainParams params;
    BASE_TRY(read_object(call.params, list_fields, params));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    call.reply([&](json::Writer& writer) {
        writer.begin_object().key("domains").begin_array();
        for (const split::DomainView& view : toolstack->list()) {
            writer.begin_object();
            write_domain_members(writer, view);
            if (params.details) {
                if (const auto details = toolstack->details(view.id)) {
                    write_host_members(writer, details->host);
                }
            }
            writer.end_object();
        }
        writer.end_array().end_object();
    });
    return {};
}

Result<void> get(const Call& call) {
    DomainParams params;
    BASE_TRY(read_object(call.params, target_fields, params));
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_ASSIGN(const split::DomainDetails details, toolstack->details(domain));
    BASE_ASSIGN(const std::vector<split::DeviceView> devices, toolstack->devices(domain));
    call.reply([&](json::Writer& writer) {
        writer.begin_object();
        write_domain_members(writer, details.view, hypervisor::Detail::full);
        write_host_members(writer, details.host);
        writer.key("devices");
        write_devices(writer, devices);
        writer.key("config");
        write_config(writer, details.config);
        writer.end_object();
    });
    return {};
}

void reply_row(const Call& call, split::Toolstack& toolstack, base::DomId domain) {
    const auto view = toolstack.view(domain);
    call.reply([&](json::Writer& writer) {
        writer.begin_object();
        if (view) {
            write_domain_members(writer, *view);
        } else {
            writer.member("id", domain.value);
        }
        writer.end_object();
    });
}

template <Result<void> (split::Toolstack::*verb)(base::DomId)>
Result<void> apply(const Call& call) {
    DomainParams params;
    BASE_TRY(read_object(call.params, target_fields, params));
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_TRY((toolstack->*verb)(domain));
    reply_row(call, *toolstack, domain);
    return {};
}

Result<void> shutdown(const Call& call) {
    DomainParams params;
    BASE_TRY(read_object(call.params, end_fields, params));
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    if (params.wait) {
        BASE_ASSIGN(const split::DomainView view, toolstack->view(domain));
        if (view.state == split::State::shutdown || view.state == split::State::crashed) {
            return base::fail(base::Code::bad_state, "domain '" + view.name + "' has ended: " + view.ended);
        }
    }
    BASE_TRY(toolstack->shutdown(domain));
    if (params.wait) {
        call.service.end_waits().add(domain, call.client.id, call.request_id, params.timeout);
    } else {
        reply_row(call, *toolstack, domain);
    }
    return {};
}

void reply_ending(const Call& call, const Ending& ending) {
    call.reply([&](json::Writer& writer) {
        writer.begin_object().member("id", ending.id.value).member("name", ending.name);
        ending.write_members(writer);
        writer.end_object();
    });
}

// Also answers for guests that have ended and are gone, as long as they are remembered.
Result<void> wait(const Call& call) {
    DomainParams params;
    BASE_TRY(read_object(call.params, wait_fields, params));
    const auto domain = find_target(call, params.target);
    BASE_TRY(check_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    const auto view = domain ? toolstack->view(*domain) : std::unexpected(domain.error());
    const bool lives = view && view->state != split::State::shutdown && view->state != split::State::crashed;
    if (lives) {
        call.service.end_waits().add(*domain, call.client.id, call.request_id, params.timeout);
        return {};
    }
    const EndedGuests& ended = call.service.ended();
    const Ending* ending = params.target.name ? ended.find(*params.target.name) : ended.find(*params.target.id);
    if (ending != nullptr) {
        reply_ending(call, *ending);
    } else if (view) {
        const bool crashed = view->state == split::State::crashed;
        reply_ending(call, {view->id, view->name, crashed ? "crashed" : "shutdown", view->ended, view->death.code});
    } else {
        return std::unexpected(domain.error());
    }
    return {};
}

Result<void> destroy(const Call& call) {
    DomainParams params;
    BASE_TRY(read_object(call.params, destroy_fields, params));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    const bool named = params.target.id || params.target.name;
    if (params.all && named) {
        return call.params.fail("\"all\" and a domain are given; expected one of them");
    }
    if (params.all) {
        Clients& clients = call.service.clients();
        call.service.destroy_all([&clients, client = call.client.id, id = call.request_id](std::size_t destroyed) {
            clients.reply(client, id, [&](json::Writer& writer) {
                writer.begin_object().member("destroyed", destroyed).end_object();
            });
        });
        return {};
    }
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_TRY(toolstack->destroy(domain));
    call.reply([](json::Writer& writer) { writer.begin_object().member("destroyed", 1).end_object(); });
    return {};
}

Result<void> rename(const Call& call) {
    DomainParams params;
    BASE_TRY(read_object(call.params, rename_fields, params));
    if (!params.new_name) {
        return call.params.fail("the parameter \"new_name\" is missing; expected the name to take");
    }
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_TRY(toolstack->rename(domain, *params.new_name));
    reply_row(call, *toolstack, domain);
    return {};
}

constexpr Method methods[] = {
    {"domain.list", list},
    {"domain.get", get},
    {"domain.pause", apply<&split::Toolstack::pause>},
    {"domain.unpause", apply<&split::Toolstack::unpause>},
    {"domain.shutdown", shutdown},
    {"domain.reboot", apply<&split::Toolstack::reboot>},
    {"domain.destroy", destroy},
    {"domain.rename", rename},
    {"domain.wait", wait},
};

}  // namespace

std::span<const Method> domain_methods() {
    return methods;
}

}  // namespace chaos
