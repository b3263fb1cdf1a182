// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/methods.hpp"

#include <vector>

namespace chaos {

namespace {

template <class Visit>
void each_method(Visit visit) {
    for (const auto& group : {create_methods(), domain_methods(), device_methods(), console_methods(),
                              network_methods(), pool_methods(), event_methods(), daemon_methods()}) {
        for (const Method& method : group) {
            visit(method);
        }
    }
}

}  // namespace

const Method* find_method(std::string_view name) {
    const Method* found = nullptr;
    each_method([&](const Method& method) { found = method.name == name ? &method : found; });
    return found;
}

std::string_view similar_method(std::string_view name) {
    std::vector<std::string_view> names;
    each_method([&](const Method& method) { names.push_back(method.name); });
    return closest(name, names);
}

Result<void> read_target_id(const Node& node, Target& target) {
    BASE_ASSIGN(const std::uint64_t id, node.number(1, base::first_reserved_domid - 1));
    target.id = base::DomId{static_cast<std::uint16_t>(id)};
    return {};
}

Result<void> read_target_name(const Node& node, Target& target) {
    BASE_ASSIGN(const std::string_view name, node.string());
    target.name = std::string(name);
    return {};
}

Result<void> check_target(const Call& call, const Target& target) {
    if (target.id.has_value() == target.name.has_value()) {
        return call.params.fail(target.id ? "both \"id\" and \"name\" are given; expected one of them"
                                          : "no domain is named; expected \"id\" or \"name\"");
    }
    return {};
}

Result<base::DomId> find_target(const Call& call, const Target& target) {
    BASE_TRY(check_target(call, target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    if (target.name) {
        return toolstack->find(*target.name);
    }
    BASE_TRY(toolstack->view(*target.id));
    return *target.id;
}

Result<void> read_timeout(const Node& node, std::chrono::milliseconds& timeout) {
    constexpr std::uint64_t a_day = 86'400'000;
    BASE_ASSIGN(const std::uint64_t ms, node.number(0, a_day));
    timeout = std::chrono::milliseconds(ms);
    return {};
}

}  // namespace chaos
