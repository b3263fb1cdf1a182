// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/vm_fields.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <system_error>
#include <utility>

#include "chaos/config/file.hpp"
#include "chaos/config/units.hpp"
#include "chaos/config/vm_config.hpp"
#include "chaos/config/vm_device_fields.hpp"

namespace chaos {

namespace {

constexpr base::Bytes smallest_memory = base::kib(64);
constexpr base::Bytes largest_memory = base::mib(1 << 20);
constexpr base::Bytes largest_console_log = base::mib(16);
constexpr std::uint64_t most_vcpus = 64;
constexpr std::size_t longest_cmdline = 2047;

Result<void> read_text(const Node& node, std::string& into) {
    BASE_ASSIGN(const std::string_view text, node.string());
    into = text;
    return {};
}

Result<void> read_name(const Node& node, VmReader& reader) {
    BASE_TRY(read_text(node, reader.config.name));
    const auto good = check_name(reader.config.name);
    return good ? Result<void>() : node.fail(good.error().message);
}

// A file that is not there is a mistake in the configuration, and only here its position is known.
Result<void> read_file_path(const Node& node, const VmReader& reader, std::string& into) {
    BASE_TRY(read_path(node, reader, into));
    struct stat status {};
    if (::stat(into.c_str(), &status) != 0 || ::access(into.c_str(), R_OK) != 0) {
        return node.fail("cannot read '" + into + "': " + std::generic_category().message(errno) +
                         "; expected a readable file");
    }
    if (!S_ISREG(status.st_mode)) {
        return node.fail("'" + into + "' is " + (S_ISDIR(status.st_mode) ? "a directory" : "no regular file") +
                         "; expected a file");
    }
    return {};
}

Result<void> read_kernel(const Node& node, VmReader& reader) {
    return read_file_path(node, reader, reader.config.kernel);
}

Result<void> read_ramdisk(const Node& node, VmReader& reader) {
    return read_file_path(node, reader, reader.config.ramdisk);
}

Result<void> read_cmdline(const Node& node, VmReader& reader) {
    BASE_TRY(read_text(node, reader.config.cmdline));
    if (reader.config.cmdline.size() > longest_cmdline) {
        return node.fail("has " + std::to_string(reader.config.cmdline.size()) + " characters; expected at most " +
                         std::to_string(longest_cmdline));
    }
    return {};
}

Result<base::Bytes> read_size(const Node& node, base::Bytes low, base::Bytes high, std::string_view also) {
    const auto number = node.value().as_unsigned();
    std::optional<base::Bytes> size;
    if (number && !also.empty()) {
        size = *number <= high.value >> 20 ? base::mib(*number) : base::Bytes{~std::uint64_t{0}};
    } else if (node.value().is(json::Type::string)) {
        size = parse_size(node.value().text);
    }
    const std::string expected =
        "a size as \"8MiB\"" + std::string(also) + ", from " + size_text(low) + " to " + size_text(high);
    if (!size || *size < low || *size > high) {
        return node.unexpected(expected);
    }
    if (size->value % base::page_size != 0) {
        return node.unexpected(expected + ", a multiple of 4KiB");
    }
    return *size;
}

Result<void> read_memory(const Node& node, VmReader& reader) {
    BASE_ASSIGN(reader.config.memory, read_size(node, smallest_memory, largest_memory, " or a number of MiB"));
    return {};
}

Result<void> read_vcpu_count(const Node& node, VmReader& reader) {
    BASE_ASSIGN(const std::uint64_t count, node.number(1, most_vcpus));
    reader.config.vcpus = static_cast<unsigned>(count);
    return {};
}

Result<void> read_cpumap(const Node& node, VmReader& reader) {
    constexpr std::string_view expected = "a list of CPUs from 0 to 63 as [0, 1] or \"0-3,5\"";
    if (node.value().is(json::Type::array) && !node.value().children.empty()) {
        reader.config.cpumap = 0;
        for (std::size_t i = 0; i < node.value().children.size(); ++i) {
            BASE_ASSIGN(const std::uint64_t cpu, Node(node, node.value().children[i], i).number(0, 63));
            reader.config.cpumap |= std::uint64_t{1} << cpu;
        }
        return {};
    }
    const bool bare_argument = node.value().argument >= 0;
    const auto cpus = node.value().is(json::Type::string) || bare_argument ? parse_cpus(node.value().text)
                                                                           : std::optional<std::uint64_t>();
    if (!cpus) {
        return node.unexpected(expected);
    }
    reader.config.cpumap = *cpus;
    return {};
}

constexpr Field<VmReader> vcpus_fields[] = {{"count", read_vcpu_count}, {"cpumap", read_cpumap}};

Result<void> read_vcpus(const Node& node, VmReader& reader) {
    if (node.value().is(json::Type::object)) {
        return read_object(node, vcpus_fields, reader);
    }
    if (!node.value().as_unsigned()) {
        return node.unexpected("a whole number from 1 to 64, or {\"count\": 1, \"cpumap\": \"0-3\"}");
    }
    return read_vcpu_count(node, reader);
}

// LightVM's key for Xen PV guests: checked, so that a mistake shows; the image says what it is.
Result<void> read_address_size(const Node& node, VmReader&) {
    const auto bits = node.value().as_unsigned();
    return bits && (*bits == 32 || *bits == 64) ? Result<void>() : node.unexpected("32 or 64");
}

Result<void> read_pvh(const Node& node, VmReader& reader) {
    BASE_ASSIGN(reader.config.pvh, node.boolean());
    return {};
}

Result<void> read_dev_method(const Node& node, VmReader&) {
    constexpr std::array<std::string_view, 1> methods{"noxs"};
    if (node.value().is(json::Type::string) && node.value().text == "xenstore") {
        return node.fail("there is no XenStore here; expected \"noxs\"");
    }
    BASE_TRY(node.word(methods));
    return {};
}

constexpr Field<VmReader> xen_fields[] = {{"pvh", read_pvh}, {"dev_method", read_dev_method}};

Result<void> read_xen(const Node& node, VmReader& reader) {
    return read_object(node, xen_fields, reader);
}

Result<void> read_paused(const Node& node, VmReader& reader) {
    BASE_ASSIGN(reader.config.paused, node.boolean());
    return {};
}

Result<void> read_console_log(const Node& node, VmReader& reader) {
    BASE_ASSIGN(reader.config.console_log, read_size(node, base::kib(4), largest_console_log, ""));
    return {};
}

constexpr Field<VmReader> console_fields[] = {{"log", read_console_log}};

Result<void> read_console(const Node& node, VmReader& reader) {
    reader.config.console = true;
    if (node.value().is(json::Type::object)) {
        return read_object(node, console_fields, reader);
    }
    if (!node.value().is(json::Type::boolean)) {
        return node.unexpected("true, false, or {\"log\": \"16KiB\"}");
    }
    reader.config.console = node.value().truth;
    return {};
}

Result<void> read_end_action(const Node& node, split::EndAction& into) {
    constexpr std::array<std::string_view, 3> actions{"destroy", "restart", "preserve"};
    BASE_ASSIGN(const std::size_t index, node.word(actions));
    into = static_cast<split::EndAction>(index);
    return {};
}

Result<void> read_on_poweroff(const Node& node, VmReader& reader) {
    return read_end_action(node, reader.config.on_poweroff);
}
Result<void> read_on_reboot(const Node& node, VmReader& reader) {
    return read_end_action(node, reader.config.on_reboot);
}
Result<void> read_on_crash(const Node& node, VmReader& reader) {
    return read_end_action(node, reader.config.on_crash);
}

constexpr Field<VmReader> vm_fields[] = {
    {"name", read_name},
    {"kernel", read_kernel},
    {"ramdisk", read_ramdisk},
    {"cmdline", read_cmdline},
    {"memory", read_memory},
    {"vcpus", read_vcpus},
    {"address_size", read_address_size},
    {"paused", read_paused},
    {"xen", read_xen},
    {"console", read_console},
    {"on_poweroff", read_on_poweroff},
    {"on_reboot", read_on_reboot},
    {"on_crash", read_on_crash},
    {"vifs", read_vifs},
    {"vbds", read_vbds},
};

template <class T, std::size_t N>
constexpr std::array<std::string_view, N> keys_of(const Field<T> (&fields)[N]) {
    std::array<std::string_view, N> keys;
    for (std::size_t i = 0; i < N; ++i) {
        keys[i] = fields[i].key;
    }
    return keys;
}
constexpr auto root_keys = keys_of(vm_fields);
constexpr auto vcpus_keys = keys_of(vcpus_fields);
constexpr auto xen_keys = keys_of(xen_fields);
constexpr auto console_keys = keys_of(console_fields);

}  // namespace

Result<void> read_path(const Node& node, const VmReader& reader, std::string& into) {
    BASE_ASSIGN(const std::string_view text, node.string());
    if (text.empty()) {
        return node.fail("the path is empty; expected a file");
    }
    const std::string_view directory = node.value().argument >= 0 ? reader.argument_directory : reader.directory;
    if (directory.empty() && !text.starts_with('/')) {
        return node.unexpected("an absolute path (the request has no \"base\" to start from)");
    }
    into = absolute_path(text, directory);
    return {};
}

Result<void> read_vm_fields(const Node& root, VmReader& reader) {
    return read_object(root, vm_fields, reader);
}

std::span<const std::string_view> vm_keys(std::string_view path) {
    const std::pair<std::string_view, std::span<const std::string_view>> objects[] = {
        {"", root_keys},           {"vcpus", vcpus_keys}, {"xen", xen_keys},
        {"console", console_keys}, {"vifs", vif_keys()},  {"vbds", vbd_keys()}};
    for (const auto& [name, keys] : objects) {
        if (name == path) {
            return keys;
        }
    }
    return {};
}

}  // namespace chaos
