// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/daemon_config.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>

#include "chaos/config/file.hpp"
#include "chaos/config/node.hpp"
#include "chaos/config/units.hpp"
#include "chaos/json/parse.hpp"

namespace chaos {

namespace {

constexpr std::array<std::string_view, 4> level_names{"error", "warn", "info", "debug"};
constexpr std::uint64_t most_shells = 32000;
constexpr std::size_t most_flavours = 64;
constexpr std::uint64_t most_devices = 98;  // vifs and vbds of one guest

struct DaemonReader {
    DaemonConfig config;
    std::string_view directory;
};

Result<void> read_number(const Node& node, std::uint64_t low, std::uint64_t high, unsigned& into) {
    BASE_ASSIGN(const std::uint64_t number, node.number(low, high));
    into = static_cast<unsigned>(number);
    return {};
}

Result<void> read_bytes(const Node& node, base::Bytes low, base::Bytes high, base::Bytes& into) {
    const auto size = parse_size(node.value().as_string());
    if (!size || *size < low || *size > high) {
        return node.unexpected("a size as \"1MiB\", from " + size_text(low) + " to " + size_text(high));
    }
    into = *size;
    return {};
}

Result<void> read_path(const Node& node, std::string_view directory, std::string& into) {
    BASE_ASSIGN(const std::string_view text, node.string());
    if (text.empty()) {
        return node.unexpected("a path");
    }
    into = absolute_path(text, directory);
    return {};
}

Result<void> read_hypervisor(const Node& node, DaemonReader& reader) {
    BASE_ASSIGN(const std::string_view name, node.string());
    if (name.empty()) {
        return node.unexpected("\"auto\" or the name of a driver");
    }
    reader.config.hypervisor = name;
    return {};
}

Result<void> read_log_level(const Node& node, DaemonReader& reader) {
    BASE_ASSIGN(const std::size_t index, node.word(level_names));
    reader.config.log_level = level_names[index];
    return {};
}

Result<void> read_grace(const Node& node, DaemonReader& reader) {
    constexpr std::uint64_t an_hour = 3'600'000;
    BASE_ASSIGN(const std::uint64_t ms, node.number(0, an_hour));
    reader.config.shutdown_grace = std::chrono::milliseconds(ms);
    return {};
}

constexpr Field<split::FlavourSettings> flavour_fields[] = {
    {"memory",
     [](const Node& n, split::FlavourSettings& f) -> Result<void> {
         if (const auto number = n.value().as_unsigned(); number && *number >= 1 && *number <= 1 << 20) {
             f.memory = base::mib(*number);
             return {};
         }
         return read_bytes(n, base::kib(64), base::mib(1 << 20), f.memory);
     }},
    {"vcpus", [](const Node& n, split::FlavourSettings& f) { return read_number(n, 1, 64, f.vcpus); }},
    {"vifs", [](const Node& n, split::FlavourSettings& f) { return read_number(n, 0, most_devices, f.vifs); }},
    {"vbds", [](const Node& n, split::FlavourSettings& f) { return read_number(n, 0, most_devices, f.vbds); }},
    {"floor", [](const Node& n, split::FlavourSettings& f) { return read_number(n, 0, most_shells, f.floor); }},
    {"ceiling", [](const Node& n, split::FlavourSettings& f) { return read_number(n, 0, most_shells, f.ceiling); }},
};

Result<void> read_pool(const Node& node, DaemonReader& reader) {
    if (!node.value().is(json::Type::array) || node.value().children.size() > most_flavours) {
        return node.unexpected("an array of at most 64 flavours");
    }
    reader.config.pool.clear();
    for (std::size_t i = 0; i < node.value().children.size(); ++i) {
        const Node element(node, node.value().children[i], i);
        split::FlavourSettings flavour;
        BASE_TRY(read_object(element, flavour_fields, flavour));
        if (flavour.floor > flavour.ceiling) {
            return element.fail("the floor is above the ceiling; expected floor <= ceiling");
        }
        if (flavour.memory.value % base::page_size != 0) {
            return element.fail("the memory is no multiple of 4KiB");
        }
        if (flavour.vifs + flavour.vbds > most_devices) {
            return element.fail("there are more than 98 vifs and vbds; expected at most as many");
        }
        for (const split::FlavourSettings& other : reader.config.pool) {
            if (other.same_shape(flavour)) {
                return element.fail("a flavour of this memory, vcpus, vifs and vbds exists; expected each shape once");
            }
        }
        reader.config.pool.push_back(flavour);
    }
    return {};
}

constexpr Field<DaemonReader> limits_fields[] = {
    {"domains", [](const Node& n, DaemonReader& r) { return read_number(n, 0, 32751, r.config.max_domains); }},
    {"connections",
     [](const Node& n, DaemonReader& r) { return read_number(n, 1, 65536, r.config.limits.connections); }},
    {"create_count",
     [](const Node& n, DaemonReader& r) { return read_number(n, 1, 32751, r.config.limits.create_count); }},
    {"request", [](const Node& n,
                   DaemonReader& r) { return read_bytes(n, base::kib(4), base::mib(64), r.config.limits.request); }},
    {"replies", [](const Node& n,
                   DaemonReader& r) { return read_bytes(n, base::kib(4), base::mib(256), r.config.limits.replies); }},
    {"notifications",
     [](const Node& n, DaemonReader& r) {
         return read_bytes(n, base::kib(64), base::mib(256), r.config.limits.notifications);
     }},
    {"events", [](const Node& n, DaemonReader& r) { return read_number(n, 1, 1 << 20, r.config.limits.events); }},
};

constexpr Field<DaemonReader> daemon_fields[] = {
    {"socket", [](const Node& n, DaemonReader& r) { return read_path(n, r.directory, r.config.socket); }},
    {"state_dir", [](const Node& n, DaemonReader& r) { return read_path(n, r.directory, r.config.state_dir); }},
    {"hypervisor", read_hypervisor},
    {"log_level", read_log_level},
    {"log_file", [](const Node& n, DaemonReader& r) { return read_path(n, r.directory, r.config.log_file); }},
    {"shutdown_grace_ms", read_grace},
    {"pool", read_pool},
    {"limits", [](const Node& n, DaemonReader& r) { return read_object(n, limits_fields, r); }},
};

}  // namespace

base::Result<DaemonConfig> load_daemon_file(const std::string& path) {
    BASE_ASSIGN(const std::string text, read_config_file(path, path));
    return parse_daemon_text(text, folder_of_file(path), path);
}

base::Result<DaemonConfig> parse_daemon_text(std::string_view text, std::string_view directory, std::string label) {
    auto root = json::parse(text, json::Comments::allowed);
    if (!root) {
        const json::Position at = json::position_of(text, root.error().offset);
        return base::fail(base::Code::invalid_config, label + ":" + std::to_string(at.line) + ":" +
                                                          std::to_string(at.column) + ": " + root.error().message);
    }
    const Document document{std::move(label), text, {}};
    DaemonReader reader{{}, directory};
    BASE_TRY(read_object(Node(document, *root), daemon_fields, reader));
    return std::move(reader.config);
}

std::string default_socket() {
    if (const char* socket = std::getenv("CHAOS_SOCKET"); socket != nullptr && *socket != '\0') {
        return socket;
    }
    if (::geteuid() == 0) {
        return "/run/chaos/api.sock";
    }
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != '\0') {
        return std::string(runtime) + "/chaos/api.sock";
    }
    return "/tmp/chaos-" + std::to_string(::geteuid()) + "/api.sock";
}

std::span<const std::string_view> log_level_names() {
    return level_names;
}

}  // namespace chaos
