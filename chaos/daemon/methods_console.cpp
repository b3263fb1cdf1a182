// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/methods.hpp"
#include "chaos/rpc/base64.hpp"

namespace chaos {

namespace {

struct ConsoleParams {
    Target target;
    bool history{true};
};

Result<void> read_id(const Node& node, ConsoleParams& params) {
    return read_target_id(node, params.target);
}
Result<void> read_name(const Node& node, ConsoleParams& params) {
    return read_target_name(node, params.target);
}
Result<void> accept_string(const Node& node, ConsoleParams&) {
    BASE_TRY(node.value().is(json::Type::string) ? Result<void>() : node.unexpected("a string"));
    return {};
}

constexpr Field<ConsoleParams> attach_fields[] = {
    {"id", read_id}, {"name", read_name}, {"history", [](const Node& node, ConsoleParams& params) -> Result<void> {
                                               BASE_ASSIGN(params.history, node.boolean());
                                               return {};
                                           }}};
constexpr Field<ConsoleParams> target_fields[] = {{"id", read_id}, {"name", read_name}};
constexpr Field<ConsoleParams> input_fields[] = {
    {"id", read_id}, {"name", read_name}, {"data", accept_string}, {"data_b64", accept_string}};

struct Found {
    base::DomId id;
    std::string name;
    const Ending* ending{nullptr};  // it has ended
};

// A console outlives its guest for a while.
Result<Found> find_console(const Call& call, const Target& target, split::Toolstack& toolstack, Ending& storage) {
    const auto domain = find_target(call, target);
    if (domain) {
        BASE_ASSIGN(const split::DomainView view, toolstack.view(*domain));
        const bool crashed = view.state == split::State::crashed;
        if (crashed || view.state == split::State::shutdown) {
            storage = {view.id, view.name, crashed ? "crashed" : "shutdown", view.ended, view.death.code};
            return Found{view.id, view.name, &storage};
        }
        return Found{view.id, view.name, nullptr};
    }
    BASE_TRY(check_target(call, target));
    const EndedGuests& ended = call.service.ended();
    if (const Ending* ending = target.name ? ended.find(*target.name) : ended.find(*target.id); ending != nullptr) {
        return Found{ending->id, ending->name, ending};
    }
    return std::unexpected(domain.error());
}

Result<void> attach(const Call& call) {
    ConsoleParams params;
    BASE_TRY(read_object(call.params, attach_fields, params));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    Ending storage;
    BASE_ASSIGN(const Found found, find_console(call, params.target, *toolstack, storage));
    BASE_ASSIGN(const split::Toolstack::ConsoleText log, toolstack->console_log(found.id));
    call.reply([&](json::Writer& writer) {
        writer.begin_object()
            .member("id", found.id.value)
            .member("name", found.name)
            .member("offset", log.offset)
            .member("ended", found.ending != nullptr)
            .end_object();
    });
    Consoles& consoles = call.service.consoles();
    if (params.history && !log.bytes.empty()) {
        consoles.history(found.id, call.client.id, log.offset, log.bytes);
    }
    if (found.ending != nullptr) {
        consoles.tell_closed(call.client.id, *found.ending);
    } else {
        consoles.attach(found.id, call.client.id);
    }
    return {};
}

Result<void> input(const Call& call) {
    ConsoleParams params;
    BASE_TRY(read_object(call.params, input_fields, params));
    const auto bytes = rpc::read_bytes(call.params.value());
    if (!bytes) {
        return call.params.fail("no input; expected \"data\", or \"data_b64\" in base64");
    }
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_ASSIGN(const std::size_t accepted, toolstack->console_write(domain, {bytes->data(), bytes->size()}));
    call.reply([&](json::Writer& writer) { writer.begin_object().member("accepted", accepted).end_object(); });
    return {};
}

Result<void> detach(const Call& call) {
    ConsoleParams params;
    BASE_TRY(read_object(call.params, target_fields, params));
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    if (!call.service.consoles().detach(domain, call.client.id)) {
        return base::fail(base::Code::bad_state, "this connection is not attached to that console");
    }
    call.reply_empty();
    return {};
}

constexpr Method methods[] = {{"console.attach", attach}, {"console.input", input}, {"console.detach", detach}};

}  // namespace

std::span<const Method> console_methods() {
    return methods;
}

}  // namespace chaos
