// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/vm_device_fields.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "chaos/config/units.hpp"

namespace chaos {

namespace {

constexpr std::size_t most_devices = 98;  // noxs: control pages of a guest
constexpr std::uint64_t lowest_rate = 1000;
constexpr std::uint64_t highest_rate = 1'000'000'000'000;

template <bool (*valid)(std::string_view)>
Result<void> read_checked(const Node& node, std::string& into, std::string_view expected) {
    BASE_ASSIGN(const std::string_view text, node.string());
    if (!valid(text)) {
        return node.unexpected(expected);
    }
    into = text;
    return {};
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c | 32) : c; });
    return out;
}

/// In one spelling, so that two can be compared.
Result<void> read_mac(const Node& node, split::VifConfig& vif) {
    BASE_TRY(read_checked<is_mac>(node, vif.mac, "a MAC address as \"00:16:3e:00:00:01\""));
    vif.mac = lower(vif.mac);
    if (std::string_view("13579bdf").find(vif.mac[1]) != std::string_view::npos) {
        return node.unexpected("the MAC address of one interface: the first byte is even");
    }
    return {};
}

Result<void> read_rate(const Node& node, split::VifConfig& vif) {
    const auto number = node.value().as_unsigned();
    const auto rate = number ? number : parse_rate(node.value().as_string());
    if (!rate || *rate < lowest_rate || *rate > highest_rate) {
        return node.unexpected("a rate as \"100Mbit\" or a number of bits a second, from 1Kbit to 1000Gbit");
    }
    vif.rate = *rate;
    return {};
}

constexpr Field<split::VifConfig> vif_fields[] = {
    {"ip",
     [](const Node& n, split::VifConfig& vif) {
         return read_checked<is_ipv4>(n, vif.ip, "an IPv4 address as \"10.0.0.2\" or \"10.0.0.2/24\"");
     }},
    {"mac", read_mac},
    {"bridge",
     [](const Node& n, split::VifConfig& vif) {
         return read_checked<is_interface>(n, vif.bridge, "the name of a network as \"xenbr0\"");
     }},
    {"ip6",
     [](const Node& n, split::VifConfig& vif) {
         return read_checked<is_ipv6>(n, vif.ip6, "an IPv6 address as \"fd00::2\" or \"fd00::2/64\"");
     }},
    {"rate", read_rate},
    {"spoof_check",
     [](const Node& n, split::VifConfig& vif) -> Result<void> {
         BASE_ASSIGN(vif.check_source, n.boolean());
         return {};
     }},
};

struct VbdReader {
    split::VbdConfig& vbd;
    const VmReader& vm;
};

Result<void> read_vbd_word(const Node& node, std::span<const std::string_view> words, std::string& into) {
    BASE_ASSIGN(const std::size_t index, node.word(words));
    into = words[index];
    return {};
}

constexpr std::array<std::string_view, 2> vbd_types{"file", "phy"};
constexpr std::array<std::string_view, 4> vbd_accesses{"ro", "rw", "r", "w"};

constexpr Field<VbdReader> vbd_fields[] = {
    {"target", [](const Node& n, VbdReader& r) { return read_path(n, r.vm, r.vbd.target); }},
    {"type", [](const Node& n, VbdReader& r) { return read_vbd_word(n, vbd_types, r.vbd.type); }},
    {"vdev", [](const Node& n,
                VbdReader& r) { return read_checked<is_interface>(n, r.vbd.vdev, "a device name as \"xvda\""); }},
    {"access", [](const Node& n, VbdReader& r) { return read_vbd_word(n, vbd_accesses, r.vbd.access); }},
};

template <class T, std::size_t N>
constexpr std::array<std::string_view, N> keys_of(const Field<T> (&fields)[N]) {
    std::array<std::string_view, N> keys;
    for (std::size_t i = 0; i < N; ++i) {
        keys[i] = fields[i].key;
    }
    return keys;
}
constexpr auto all_vif_keys = keys_of(vif_fields);
constexpr auto all_vbd_keys = keys_of(vbd_fields);

/// The member `key` of the object `node`, for an error at it; the object where it has none.
Result<void> fail_at(const Node& node, std::string_view key, const std::string& what) {
    for (const json::Value& member : node.value().children) {
        if (member.key == key) {
            return Node(node, member).fail(what);
        }
    }
    return node.fail(what);
}

/// Whether it can be opened is told by those who open it: the file may be checked on another machine.
Result<void> check_target(const Node& node, const split::VbdConfig& vbd) {
    if (vbd.target.empty()) {
        return node.fail("the key \"target\" is missing; expected the path of a disk image");
    }
    struct stat status {};
    if (vbd.type.empty() || ::stat(vbd.target.c_str(), &status) != 0) {
        return {};
    }
    if (vbd.type == "phy" && !S_ISBLK(status.st_mode)) {
        return fail_at(node, "type", "'" + vbd.target + "' is no block device");
    }
    if (vbd.type == "file" && S_ISBLK(status.st_mode)) {
        return fail_at(node, "type", "'" + vbd.target + "' is a block device; expected \"phy\"");
    }
    return {};
}

Result<void> check_list(const Node& node) {
    if (!node.value().is(json::Type::array)) {
        return node.unexpected("an array of objects");
    }
    if (node.value().children.size() > most_devices) {
        return node.fail("has " + std::to_string(node.value().children.size()) + " devices; expected at most " +
                         std::to_string(most_devices));
    }
    return {};
}

std::string_view address_of(std::string_view with_prefix) {
    return with_prefix.substr(0, with_prefix.find('/'));
}

/// Vifs of one guest on different networks may have the same address.
Result<void> check_repeated(const Node& node, const std::vector<split::VifConfig>& vifs) {
    const split::VifConfig& last = vifs.back();
    for (std::size_t i = 0; i + 1 < vifs.size(); ++i) {
        const std::string of = " is that of vifs[" + std::to_string(i) + "] too";
        if (!last.mac.empty() && vifs[i].mac == last.mac) {
            return fail_at(node, "mac", "'" + last.mac + "'" + of);
        }
        if (vifs[i].bridge != last.bridge) {
            continue;
        }
        if (!last.ip.empty() && address_of(vifs[i].ip) == address_of(last.ip)) {
            return fail_at(node, "ip", "'" + last.ip + "'" + of);
        }
        if (!last.ip6.empty() && address_of(vifs[i].ip6) == address_of(last.ip6)) {
            return fail_at(node, "ip6", "'" + last.ip6 + "'" + of);
        }
    }
    return {};
}

std::string vdev_name(std::size_t index) {
    constexpr std::size_t letters = 26;
    std::string name = "xvd";
    if (index >= letters) {
        name += static_cast<char>('a' + index / letters - 1);
    }
    return name += static_cast<char>('a' + index % letters);
}

void name_disks(std::vector<split::VbdConfig>& disks) {
    std::size_t next = 0;
    for (split::VbdConfig& disk : disks) {
        while (disk.vdev.empty()) {
            const std::string name = vdev_name(next++);
            if (std::ranges::find(disks, name, &split::VbdConfig::vdev) == disks.end()) {
                disk.vdev = name;
            }
        }
    }
}

}  // namespace

Result<void> read_vif(const Node& node, split::VifConfig& vif) {
    return read_object(node, vif_fields, vif);
}

Result<void> read_vbd(const Node& node, const VmReader& reader, split::VbdConfig& vbd) {
    VbdReader into{vbd, reader};
    BASE_TRY(read_object(node, vbd_fields, into));
    return check_target(node, vbd);
}

Result<void> read_vifs(const Node& node, VmReader& reader) {
    BASE_TRY(check_list(node));
    auto& vifs = reader.config.vifs;
    for (std::size_t i = 0; i < node.value().children.size(); ++i) {
        const Node element(node, node.value().children[i], i);
        BASE_TRY(read_vif(element, vifs.emplace_back()));
        BASE_TRY(check_repeated(element, vifs));
    }
    return {};
}

Result<void> read_vbds(const Node& node, VmReader& reader) {
    BASE_TRY(check_list(node));
    auto& vbds = reader.config.vbds;
    for (std::size_t i = 0; i < node.value().children.size(); ++i) {
        const Node element(node, node.value().children[i], i);
        split::VbdConfig vbd;
        BASE_TRY(read_vbd(element, reader, vbd));
        const auto other = std::ranges::find(vbds, vbd.vdev, &split::VbdConfig::vdev);
        if (!vbd.vdev.empty() && other != vbds.end()) {
            return fail_at(element, "vdev",
                           "'" + vbd.vdev + "' is that of vbds[" + std::to_string(other - vbds.begin()) + "] too");
        }
        const auto twin = std::ranges::find(vbds, vbd.target, &split::VbdConfig::target);
        if (twin != vbds.end() && !(twin->read_only() && vbd.read_only())) {
            return fail_at(element, "target",
                           "'" + vbd.target + "' is that of vbds[" + std::to_string(twin - vbds.begin()) +
                               "] too; only readers can share a disk");
        }
        vbds.push_back(std::move(vbd));
    }
    name_disks(vbds);
    return {};
}

std::span<const std::string_view> vif_keys() {
    return all_vif_keys;
}
std::span<const std::string_view> vbd_keys() {
    return all_vbd_keys;
}

}  // namespace chaos
