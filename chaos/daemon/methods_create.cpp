// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "chaos/config/units.hpp"
#include "chaos/config/vm_config.hpp"
#include "chaos/daemon/methods.hpp"

namespace chaos {

namespace {

constexpr std::chrono::milliseconds default_timeout{10'000};

struct CreateParams {
    const json::Value* config{nullptr};
    std::string path;
    std::string label;
    std::string base;
    std::string name_prefix;
    std::vector<std::string> overrides;
    std::uint64_t count{1};
    bool wait_ready{false};
    bool dry_run{false};
    bool progress{false};
    std::chrono::milliseconds timeout{default_timeout};
};

Result<void> read_text(const Node& node, std::string& into) {
    BASE_ASSIGN(into, node.string());
    return {};
}

Result<void> read_absolute(const Node& node, std::string& into) {
    BASE_TRY(read_text(node, into));
    return into.starts_with('/') ? Result<void>() : node.unexpected("an absolute path");
}

Result<void> read_flag(const Node& node, bool& into) {
    BASE_ASSIGN(into, node.boolean());
    return {};
}

Result<void> read_wait(const Node& node, CreateParams& params) {
    constexpr std::string_view words[] = {"created", "ready"};
    BASE_ASSIGN(const std::size_t index, node.word(words));
    params.wait_ready = index == 1;
    return {};
}

Result<void> read_overrides(const Node& node, CreateParams& params) {
    if (!node.value().is(json::Type::array)) {
        return node.unexpected("an array of \"key=value\" strings");
    }
    for (std::size_t i = 0; i < node.value().children.size(); ++i) {
        BASE_ASSIGN(const std::string_view text, Node(node, node.value().children[i], i).string());
        params.overrides.emplace_back(text);
    }
    return {};
}

Result<void> read_count(const Node& node, CreateParams& params) {
    BASE_ASSIGN(params.count, node.number(1, base::first_reserved_domid - 1));
    return {};
}

Result<void> read_prefix(const Node& node, CreateParams& params) {
    BASE_TRY(read_text(node, params.name_prefix));
    const auto good = check_name(params.name_prefix);
    return good ? Result<void>() : node.fail(good.error().message);
}

constexpr Field<CreateParams> create_fields[] = {
    {"path", [](const Node& n, CreateParams& p) { return read_absolute(n, p.path); }},
    {"config",
     [](const Node& n, CreateParams& p) -> Result<void> {
         p.config = &n.value();
         return {};
     }},
    {"count", read_count},
    {"wait", read_wait},
    {"timeout_ms", [](const Node& n, CreateParams& p) { return read_timeout(n, p.timeout); }},
    {"overrides", read_overrides},
    {"base", [](const Node& n, CreateParams& p) { return read_absolute(n, p.base); }},
    {"label", [](const Node& n, CreateParams& p) { return read_text(n, p.label); }},
    {"name_prefix", read_prefix},
    {"progress", [](const Node& n, CreateParams& p) { return read_flag(n, p.progress); }},
    {"dry_run", [](const Node& n, CreateParams& p) { return read_flag(n, p.dry_run); }},
};

Result<split::VmConfig> read_config(const Call& call, const CreateParams& params) {
    if ((params.config != nullptr) == !params.path.empty()) {
        return call.params.fail("expected one of \"path\" and \"config\"");
    }
    const VmSource source{params.label, params.overrides, params.base};
    BASE_ASSIGN(split::VmConfig config, params.config != nullptr ? read_vm_value(*params.config, call.line, source)
                                                                 : load_vm_file(params.path, source));
    if (!params.name_prefix.empty()) {
        config.name = params.name_prefix;
    }
    return config;
}

bool is_numbered(const CreateParams& params, const split::VmConfig& config) {
    return !params.name_prefix.empty() || (params.count > 1 && !config.name.empty());
}

Result<void> check_count(const Call& call, const CreateParams& params, const split::VmConfig& config) {
    const unsigned most = call.service.settings().limits.create_count;
    if (params.count > most) {
        return base::fail(base::Code::limit_reached, "params.count: got " + std::to_string(params.count) +
                                                         "; limits.create_count allows " + std::to_string(most));
    }
    const std::size_t digits = std::to_string(params.count).size() + 1;
    if (is_numbered(params, config) && config.name.size() + digits > max_name) {
        return call.params.fail("the name '" + config.name + "' is too long for its number; expected at most " +
                                std::to_string(max_name - digits) + " characters");
    }
    return {};
}

Result<void> check_only(const Call& call, const CreateParams& params, split::VmConfig config) {
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    const std::string name = config.name;
    for (std::uint64_t i = 0; i < params.count; ++i) {
        if (is_numbered(params, config)) {
            config.name = name + "-" + std::to_string(i + 1);
        }
        BASE_TRY(toolstack->check(config));
        if (config.name.empty()) {
            break;
        }
    }
    call.reply([&](json::Writer& writer) {
        writer.begin_object().key("domains").begin_array().end_array();
        writer.member("dry_run", true).member("would_create", params.count).end_object();
    });
    return {};
}

// Hot path.
Result<void> create(const Call& call) {
    CreateParams params;
    BASE_TRY(read_object(call.params, create_fields, params));
    BASE_TRY(call.service.toolstack());
    BASE_ASSIGN(split::VmConfig config, read_config(call, params));
    BASE_TRY(check_count(call, params, config));
    if (params.dry_run) {
        return check_only(call, params, std::move(config));
    }
    CreateRequest request;
    request.client = call.client.id;
    request.request_id = call.request_id;
    request.count = static_cast<unsigned>(params.count);
    request.numbered = is_numbered(params, config);
    request.wait_ready = params.wait_ready && !config.paused;
    request.progress = params.progress;
    request.timeout = params.timeout;
    request.config = std::move(config);
    request.received = call.received;
    const auto parsing = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - call.received).count();
    request.parse_ns = static_cast<std::uint32_t>(std::clamp<std::int64_t>(parsing, 1, UINT32_MAX));
    call.service.create_jobs().start(std::move(request));
    return {};
}

constexpr Method methods[] = {{"domain.create", create}};

}  // namespace

std::span<const Method> create_methods() {
    return methods;
}

}  // namespace chaos
