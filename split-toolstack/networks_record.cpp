// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/networks_record.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/fd.hpp"
#include "base/log.hpp"
#include "split-toolstack/file_source.hpp"
#include "split-toolstack/networks_range.hpp"
#include "split-toolstack/state_dir.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using nlohmann::json;

constexpr unsigned record_version = 1;
constexpr base::Bytes max_record = base::mib(16);
constexpr std::size_t max_name = 15;  // IFNAMSIZ - 1
constexpr std::string_view suffix = ".json";
constexpr std::array<std::string_view, 3> uplinks{"none", "tap", "bridge"};

json document_of(const NetworkRecord& record) {
    const NetworkSettings& settings = record.settings;
    json forwards = json::array();
    for (const Forward& forward : record.forwards) {
        forwards.push_back({{"listen", noxs::text_of(forward.listen)},
                            {"host_port", forward.host_port},
                            {"guest", noxs::text_of(forward.guest)},
                            {"guest_port", forward.guest_port},
                            {"domain", forward.domain.value}});
    }
    return {{"version", record_version},
            {"name", settings.name},
            {"address", noxs::text_of(settings.address)},
            {"uplink", uplink_name(settings.uplink)},
            {"bridge", settings.bridge},
            {"nat", settings.nat},
            {"forwards", std::move(forwards)}};
}

std::unexpected<base::Error> damaged(std::string why) {
    return base::fail(base::Code::protocol_error, std::move(why));
}

Result<Forward> forward_of(const json& entry, const NetworkSettings& settings) {
    Forward forward;
    const auto listen = noxs::parse_ipv4(entry.at("listen").get<std::string>());
    const auto guest = noxs::parse_ipv4(entry.at("guest").get<std::string>());
    if (!listen || !guest || !settings.address.holds(*guest)) {
        return damaged("a published port with a wrong address");
    }
    forward.network = settings.name;
    forward.listen = *listen;
    forward.guest = *guest;
    forward.host_port = entry.at("host_port").get<std::uint16_t>();
    forward.guest_port = entry.at("guest_port").get<std::uint16_t>();
    forward.domain = base::DomId{entry.at("domain").get<std::uint16_t>()};
    return forward;
}

Result<NetworkRecord> record_of(const json& document) {
    if (document.at("version").get<unsigned>() != record_version) {
        return damaged("it is of another version");
    }
    NetworkRecord record;
    NetworkSettings& settings = record.settings;
    settings.name = document.at("name").get<std::string>();
    settings.address = noxs::parse_ipv4_net(document.at("address").get<std::string>()).value_or(noxs::Ipv4Net{});
    BASE_ASSIGN(settings.uplink, parse_uplink(document.at("uplink").get<std::string>()));
    settings.bridge = document.at("bridge").get<std::string>();
    settings.nat = document.at("nat").get<bool>();
    BASE_TRY(check_network(settings));
    for (const json& entry : document.at("forwards")) {
        BASE_ASSIGN(auto forward, forward_of(entry, settings));
        record.forwards.push_back(std::move(forward));
    }
    return record;
}

Result<NetworkRecord> read(const std::string& dir, const std::string& file) {
    BASE_ASSIGN(const auto contents, read_file("network", dir + "/" + file, max_record));
    const std::string_view text(reinterpret_cast<const char*>(contents.bytes.data()), contents.bytes.size());
    try {
        BASE_ASSIGN(auto record, record_of(json::parse(text)));
        if (record.settings.name + std::string(suffix) != file) {
            return damaged("it describes network '" + record.settings.name + "'");
        }
        return record;
    } catch (const json::exception& error) {
        return damaged(error.what());
    }
}

Result<void> write(const std::string& path, const std::string& text) {
    const base::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    std::string_view rest = text;
    while (file && !rest.empty()) {
        const ssize_t size = ::write(file.get(), rest.data(), rest.size());
        if (size < 0 && errno != EINTR) {
            break;
        }
        rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }
    return rest.empty() ? Result<void>() : base::fail_errno(errno, words("network '", path, "'"));
}

std::unexpected<base::Error> wrong(std::string why) {
    return base::fail(base::Code::invalid_argument, std::move(why));
}

bool good_name(std::string_view name) {
    const auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    return !name.empty() && name.size() <= max_name && letter(name[0]) &&
           std::ranges::all_of(name, [&](char c) { return letter(c) || c == '-' || c == '_'; });
}

}  // namespace

std::string_view uplink_name(UplinkKind kind) noexcept {
    return uplinks[static_cast<std::size_t>(kind)];
}

Result<UplinkKind> parse_uplink(std::string_view text) {
    const auto found = std::ranges::find(uplinks, text);
    if (found == uplinks.end()) {
        return wrong(words("'", text, "' is no uplink; expected none, tap or bridge"));
    }
    return static_cast<UplinkKind>(found - uplinks.begin());
}

Result<void> check_network(const NetworkSettings& settings) {
    const noxs::Ipv4Net& net = settings.address;
    if (!good_name(settings.name) || settings.name == "all" || settings.name == "chaos0") {
        return wrong(
            words("'", settings.name, "' is no name for a network; expected 1 to ", max_name,
                  " letters, digits, '-' and '_', with a letter or digit in front (not \"all\" or \"chaos0\")"));
    }
    if (net.prefix < AddressRange::shortest_prefix || net.prefix > AddressRange::longest_prefix) {
        return wrong(words("address ", noxs::text_of(net), ": expected a prefix of 8 to 29, as in 10.1.0.1/24"));
    }
    const std::uint32_t host = net.address.number() & ~net.mask();
    if (host == 0 || host == ~net.mask() || net.address.bytes[0] == 0 || net.address.bytes[0] == 127 ||
        net.address.bytes[0] >= 224) {
        return wrong(words("address ", noxs::text_of(net), ": not an address that a gateway can have"));
    }
    if ((settings.uplink == UplinkKind::bridge) == settings.bridge.empty()) {
        return wrong("an uplink \"bridge\" needs the name of a bridge, and no other takes one");
    }
    if (settings.bridge.size() > max_name || settings.bridge.find('/') != std::string::npos) {
        return wrong(words("'", settings.bridge, "' is no name of a network device"));
    }
    if (settings.nat && settings.uplink != UplinkKind::tap) {
        return wrong("NAT needs an uplink \"tap\"");
    }
    return {};
}

Result<std::vector<NetworkRecord>> load_networks(const std::string& dir) {
    BASE_TRY(make_private_dir(dir));
    BASE_ASSIGN(const auto files, list_dir(dir));
    std::vector<NetworkRecord> records;
    for (const auto& file : files) {
        if (!file.ends_with(suffix)) {
            continue;
        }
        auto record = read(dir, file);
        if (record) {
            records.push_back(*std::move(record));
            continue;
        }
        const std::string path = dir + "/" + file;
        const bool moved = ::rename(path.c_str(), (path + ".damaged").c_str()) == 0;
        base::log(base::Level::warn, words("network: '", path, "': ", record.error().message,
                                           moved ? "; moved aside to .damaged" : "; could not be moved aside"));
    }
    return records;
}

Result<void> save_network(const std::string& dir, const NetworkRecord& record) {
    const std::string path = words(dir, "/", record.settings.name, suffix);
    const std::string beside = path + ".new";
    auto written = write(beside, document_of(record).dump() + "\n");
    if (written && ::rename(beside.c_str(), path.c_str()) != 0) {
        written = base::fail_errno(errno, words("network '", path, "'"));
    }
    if (!written) {
        ::unlink(beside.c_str());
    }
    return written;
}

void forget_network(const std::string& dir, const std::string& name) {
    ::unlink(words(dir, "/", name, suffix).c_str());
}

}  // namespace split
