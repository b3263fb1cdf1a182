// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/units.hpp"
#include "chaos/daemon/methods.hpp"
#include "chaos/daemon/render.hpp"

namespace chaos {

namespace {

constexpr std::uint64_t most_shells = 32000;

struct PoolParams {
    split::FlavourSettings flavour;
    std::optional<unsigned> floor, ceiling;
    bool memory{false};
};

Result<void> read_memory(const Node& node, PoolParams& params) {
    constexpr std::string_view expected = "a size as \"8MiB\" or a number of MiB, a multiple of 4KiB";
    const auto number = node.value().as_unsigned();
    const auto size = number ? std::optional(base::mib(*number)) : parse_size(node.value().as_string());
    if (!size || size->value == 0 || size->value > base::mib(1 << 20).value || size->value % base::page_size != 0 ||
        (number && *number > 1 << 20)) {
        return node.unexpected(expected);
    }
    params.flavour.memory = *size;
    params.memory = true;
    return {};
}

template <std::optional<unsigned> PoolParams::*member>
Result<void> read_shells(const Node& node, PoolParams& params) {
    BASE_ASSIGN(const std::uint64_t number, node.number(0, most_shells));
    params.*member = static_cast<unsigned>(number);
    return {};
}

template <unsigned split::FlavourSettings::*member>
Result<void> read_devices(const Node& node, PoolParams& params) {
    constexpr std::uint64_t most_devices = 98;
    BASE_ASSIGN(const std::uint64_t number, node.number(0, most_devices));
    params.flavour.*member = static_cast<unsigned>(number);
    return {};
}

constexpr Field<PoolParams> set_fields[] = {
    {"memory", read_memory},
    {"vcpus",
     [](const Node& node, PoolParams& params) -> Result<void> {
         BASE_ASSIGN(const std::uint64_t number, node.number(1, 64));
         params.flavour.vcpus = static_cast<unsigned>(number);
         return {};
     }},
    {"vifs", read_devices<&split::FlavourSettings::vifs>},
    {"vbds", read_devices<&split::FlavourSettings::vbds>},
    {"floor", read_shells<&PoolParams::floor>},
    {"ceiling", read_shells<&PoolParams::ceiling>},
};

void reply_pool(const Call& call, const split::Toolstack& toolstack) {
    call.reply([&](json::Writer& writer) {
        writer.begin_object().key("flavours").begin_array();
        for (const split::FlavourStatus& flavour : toolstack.pool_status()) {
            write_flavour(writer, flavour);
        }
        writer.end_array().end_object();
    });
}

Result<void> status(const Call& call) {
    if (!call.params.value().children.empty()) {
        return call.params.fail("expected no parameters");
    }
    BASE_ASSIGN(const split::Toolstack* toolstack, call.service.toolstack());
    reply_pool(call, *toolstack);
    return {};
}

Result<void> set(const Call& call) {
    PoolParams params;
    BASE_TRY(read_object(call.params, set_fields, params));
    if (!params.memory) {
        return call.params.fail("the parameter \"memory\" is missing; expected the memory of the flavour");
    }
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    for (const split::FlavourStatus& known : toolstack->pool_status()) {
        if (known.settings.same_shape(params.flavour)) {
            params.flavour = known.settings;
        }
    }
    params.flavour.floor = params.floor.value_or(params.flavour.floor);
    params.flavour.ceiling = params.ceiling.value_or(std::max(params.flavour.ceiling, params.flavour.floor));
    if (!params.floor && params.ceiling) {
        params.flavour.floor = std::min(params.flavour.floor, params.flavour.ceiling);
    }
    if (params.flavour.floor > params.flavour.ceiling) {
        return call.params.fail("the floor is above the ceiling; expected floor <= ceiling");
    }
    BASE_TRY(toolstack->pool_set(params.flavour));
    reply_pool(call, *toolstack);
    return {};
}

constexpr Method methods[] = {{"pool.status", status}, {"pool.set", set}};

}  // namespace

std::span<const Method> pool_methods() {
    return methods;
}

}  // namespace chaos
