// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "chaos/daemon/methods.hpp"
#include "split-toolstack/networks.hpp"

namespace chaos {

namespace {

constexpr std::array<std::string_view, 3> uplinks{"none", "tap", "bridge"};  // in the order of split::UplinkKind

struct NetworkParams {
    split::NetworkSettings settings;
    bool named{false};
};

struct ForwardParams {
    Target target;
    split::Forward forward;
    std::optional<std::uint16_t> host_port;
};

constexpr Field<NetworkParams> name_fields[] = {{"name", [](const Node& node, NetworkParams& params) -> Result<void> {
                                                     BASE_ASSIGN(params.settings.name, node.string());
                                                     params.named = true;
                                                     return {};
                                                 }}};
constexpr Field<NetworkParams> create_fields[] = {
    name_fields[0],
    {"address",
     [](const Node& node, NetworkParams& params) -> Result<void> {
         BASE_ASSIGN(const std::string_view text, node.string());
         const auto net = noxs::parse_ipv4_net(text, 0);
         if (!net || !net->address || net->prefix == 0) {
             return node.unexpected("the gateway's address with a prefix, as in \"10.1.0.1/24\"");
         }
         params.settings.address = *net;
         return {};
     }},
    {"uplink",
     [](const Node& node, NetworkParams& params) -> Result<void> {
         BASE_ASSIGN(const std::size_t index, node.word(uplinks));
         params.settings.uplink = static_cast<split::UplinkKind>(index);
         return {};
     }},
    {"bridge",
     [](const Node& node, NetworkParams& params) -> Result<void> {
         BASE_ASSIGN(params.settings.bridge, node.string());
         return {};
     }},
    {"nat",
     [](const Node& node, NetworkParams& params) -> Result<void> {
         BASE_ASSIGN(params.settings.nat, node.boolean());
         return {};
     }},
};

Result<void> read_address(const Node& node, noxs::Ipv4& into) {
    BASE_ASSIGN(const std::string_view text, node.string());
    const auto address = noxs::parse_ipv4(text);
    if (!address) {
        return node.unexpected("an IPv4 address, as in \"127.0.0.1\"");
    }
    into = *address;
    return {};
}

constexpr Field<ForwardParams> listen_fields[] = {
    {"listen", [](const Node& node, ForwardParams& params) { return read_address(node, params.forward.listen); }},
    {"host_port",
     [](const Node& node, ForwardParams& params) -> Result<void> {
         BASE_ASSIGN(const std::uint64_t port, node.number(0, 65535));
         params.host_port = static_cast<std::uint16_t>(port);
         return {};
     }},
};
constexpr Field<ForwardParams> forward_fields[] = {
    {"id", [](const Node& node, ForwardParams& params) { return read_target_id(node, params.target); }},
    {"name", [](const Node& node, ForwardParams& params) { return read_target_name(node, params.target); }},
    listen_fields[0],
    listen_fields[1],
    {"guest", [](const Node& node, ForwardParams& params) { return read_address(node, params.forward.guest); }},
    {"guest_port",
     [](const Node& node, ForwardParams& params) -> Result<void> {
         BASE_ASSIGN(const std::uint64_t port, node.number(1, 65535));
         params.forward.guest_port = static_cast<std::uint16_t>(port);
         return {};
     }},
};

void write_forward_members(json::Writer& writer, const split::Forward& forward) {
    writer.member("listen", noxs::text_of(forward.listen)).member("host_port", forward.host_port);
    writer.member("guest", noxs::text_of(forward.guest)).member("guest_port", forward.guest_port);
    writer.member("id", forward.domain.value).member("network", forward.network);
}

void write_forwards(json::Writer& writer, const std::vector<split::Forward>& forwards) {
    for (const split::Forward& forward : forwards) {
        writer.begin_object();
        write_forward_members(writer, forward);
        writer.end_object();
    }
}

void write_network(json::Writer& writer, const split::NetworkView& view) {
    const split::NetworkSettings& settings = view.settings;
    writer.begin_object().member("name", settings.name).member("address", noxs::text_of(settings.address));
    writer.member("uplink", uplinks[static_cast<std::size_t>(settings.uplink)]);
    writer.member("bridge", settings.bridge).member("nat", settings.nat);
    writer.member("uplink_error", view.uplink_error).member("ports", view.status.ports);
    writer.member("learned", view.status.learned).key("counters").begin_object();
    for (const auto& [name, count] : view.status.counters) {
        writer.member(name, count);
    }
    writer.end_object().key("forwards").begin_array();
    write_forwards(writer, view.forwards);
    writer.end_array().end_object();
}

Result<NetworkParams> read_named(const Call& call) {
    NetworkParams params;
    BASE_TRY(read_object(call.params, name_fields, params));
    if (!params.named) {
        return call.params.fail("the parameter \"name\" is missing; expected the network's name");
    }
    return params;
}

Result<void> expect_none(const Call& call) {
    return call.params.value().children.empty() ? Result<void>() : call.params.fail("expected no parameters");
}

Result<void> reply_network(const Call& call, split::Networks& networks, const std::string& name) {
    BASE_ASSIGN(const split::NetworkView view, networks.view(name));
    call.reply([&](json::Writer& writer) { write_network(writer, view); });
    return {};
}

Result<void> create(const Call& call) {
    NetworkParams params;
    BASE_TRY(read_object(call.params, create_fields, params));
    if (!params.named) {
        return call.params.fail("the parameter \"name\" is missing; expected a name for the network");
    }
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_TRY(toolstack->networks().create(params.settings));
    return reply_network(call, toolstack->networks(), params.settings.name);
}

Result<void> get(const Call& call) {
    BASE_ASSIGN(const NetworkParams params, read_named(call));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    return reply_network(call, toolstack->networks(), params.settings.name);
}

Result<void> list(const Call& call) {
    BASE_TRY(expect_none(call));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    const auto views = toolstack->networks().list();
    call.reply([&](json::Writer& writer) {
        writer.begin_object().key("networks").begin_array();
        for (const split::NetworkView& view : views) {
            write_network(writer, view);
        }
        writer.end_array().end_object();
    });
    return {};
}

Result<void> remove(const Call& call) {
    BASE_ASSIGN(const NetworkParams params, read_named(call));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_TRY(toolstack->networks().remove(params.settings.name));
    call.reply_empty();
    return {};
}

Result<void> add_forward(const Call& call) {
    ForwardParams params;
    BASE_TRY(read_object(call.params, forward_fields, params));
    if (params.forward.guest_port == 0) {
        return call.params.fail("the parameter \"guest_port\" is missing; expected the port that the guest listens on");
    }
    params.forward.host_port = params.host_port.value_or(0);
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_ASSIGN(const split::Forward forward, toolstack->networks().publish(domain, params.forward));
    call.reply([&](json::Writer& writer) {
        writer.begin_object();
        write_forward_members(writer, forward);
        writer.end_object();
    });
    return {};
}

Result<void> remove_forward(const Call& call) {
    ForwardParams params;
    BASE_TRY(read_object(call.params, listen_fields, params));
    if (params.host_port.value_or(0) == 0) {
        return call.params.fail("the parameter \"host_port\" is missing; expected the port on the host");
    }
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    BASE_TRY(toolstack->networks().unpublish(params.forward.listen, *params.host_port));
    call.reply_empty();
    return {};
}

Result<void> list_forwards(const Call& call) {
    BASE_TRY(expect_none(call));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    const auto views = toolstack->networks().list();
    call.reply([&](json::Writer& writer) {
        writer.begin_object().key("forwards").begin_array();
        for (const split::NetworkView& view : views) {
            write_forwards(writer, view.forwards);
        }
        writer.end_array().end_object();
    });
    return {};
}

constexpr Method methods[] = {
    {"network.create", create},      {"network.get", get},         {"network.list", list},
    {"network.remove", remove},      {"forward.add", add_forward}, {"forward.remove", remove_forward},
    {"forward.list", list_forwards},
};

}  // namespace

std::span<const Method> network_methods() {
    return methods;
}

}  // namespace chaos
