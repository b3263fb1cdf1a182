// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "hypervisor/hypervisor.hpp"
#include "split-toolstack/names.hpp"
#include "split-toolstack/record.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using nlohmann::json;

/// Reads members of one object; the first thing that is wrong is kept in `error`, and everything after reads as empty.
class Fields {
 public:
    Fields(const json& object, std::optional<std::string>& error) : object_(object), error_(error) {
        if (!object.is_object()) {
            complain("expected an object");
        }
    }

    template <class T>
    T number(const char* key, T max = std::numeric_limits<T>::max()) {
        const json* value = find(key);
        if (value == nullptr || !value->is_number_integer()) {
            return wrong<T>(key, "a number");
        }
        if (!value->is_number_unsigned() && value->get<std::int64_t>() < 0) {
            return wrong<T>(key, "a number that is not negative");
        }
        const auto number = value->get<std::uint64_t>();
        if (number > static_cast<std::uint64_t>(max)) {
            return wrong<T>(key, words("at most ", static_cast<std::uint64_t>(max)));
        }
        return static_cast<T>(number);
    }

    bool flag(const char* key) {
        const json* value = find(key);
        return value != nullptr && value->is_boolean() ? value->get<bool>() : wrong<bool>(key, "true or false");
    }

    std::string text(const char* key) {
        const json* value = find(key);
        if (value == nullptr || !value->is_string() || !is_clean_text(value->get_ref<const std::string&>())) {
            return wrong<std::string>(key, "text");
        }
        return value->get<std::string>();
    }

    bool has(const char* key) const { return find(key) != nullptr; }

    const json& array(const char* key, std::size_t most) {
        static const json nothing = json::array();
        const json* value = find(key);
        if (value == nullptr || !value->is_array() || value->size() > most) {
            complain(words(key, ": expected an array of at most ", most));
            return nothing;
        }
        return *value;
    }

    const json& object(const char* key) {
        static const json nothing = json::object();
        const json* value = find(key);
        if (value == nullptr) {
            complain(words(key, ": expected an object"));
            return nothing;
        }
        return *value;
    }

    hypervisor::GuestKind kind(const char* key) {
        const auto kind = kind_from_name(text(key));
        return kind ? *kind : wrong<hypervisor::GuestKind>(key, "native, pvh or pv");
    }

    /// Text that `parse` understands.
    template <class T>
    T parsed(const char* key, std::optional<T> (*parse)(std::string_view)) {
        const auto value = parse(text(key));
        return value ? *value : wrong<T>(key, "an address");
    }

    EndAction action(const char* key) {
        const auto action = action_from_name(text(key));
        return action ? *action : wrong<EndAction>(key, "destroy, restart or preserve");
    }

    void complain(std::string what) {
        if (!error_) {
            error_ = std::move(what);
        }
    }

 private:
    const json* find(const char* key) const {
        if (!object_.is_object()) {
            return nullptr;
        }
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }
    template <class T>
    T wrong(const char* key, std::string_view expected) {
        complain(words(key, ": expected ", expected));
        return T{};
    }

    const json& object_;
    std::optional<std::string>& error_;
};

constexpr std::size_t max_devices = hypervisor::max_control_pages;

VmConfig read_config(const json& object, std::optional<std::string>& error) {
    Fields in(object, error);
    VmConfig config;
    config.name = in.text("name");
    config.kernel = in.text("kernel");
    config.ramdisk = in.text("ramdisk");
    config.cmdline = in.text("cmdline");
    config.memory = base::Bytes{in.number<std::uint64_t>("memory")};
    config.vcpus = in.number<unsigned>("vcpus");
    config.cpumap = in.number<std::uint64_t>("cpumap");
    if (in.has("pvh")) {
        config.pvh = in.flag("pvh");
    }
    config.paused = in.flag("paused");
    config.console = in.flag("console");
    config.console_log = base::Bytes{in.number<std::uint64_t>("console_log")};
    config.on_poweroff = in.action("on_poweroff");
    config.on_reboot = in.action("on_reboot");
    config.on_crash = in.action("on_crash");
    for (const auto& item : in.array("vifs", max_devices)) {
        Fields vif(item, error);
        config.vifs.push_back({.ip = vif.text("ip"),
                               .mac = vif.text("mac"),
                               .bridge = vif.text("bridge"),
                               .ip6 = vif.text("ip6"),
                               .rate = vif.number<std::uint64_t>("rate"),
                               .check_source = vif.flag("spoof_check")});
    }
    for (const auto& item : in.array("vbds", max_devices)) {
        Fields vbd(item, error);
        config.vbds.push_back({.target = vbd.text("target"),
                               .type = vbd.text("type"),
                               .vdev = vbd.text("vdev"),
                               .access = vbd.text("access")});
    }
    if (const auto name = check_name(config.name); !name) {
        in.complain(words("name: ", name.error().message));
    }
    return config;
}

noxs::wire::DeviceEntry read_device(const json& object, std::optional<std::string>& error) {
    Fields in(object, error);
    noxs::wire::DeviceEntry device{};
    device.type = static_cast<noxs::wire::DeviceType>(in.number<std::uint16_t>("type"));
    device.id = in.number<std::uint32_t>("id");
    device.backend = in.number<std::uint16_t>("backend");
    device.control_ref = in.number<std::uint32_t>("control_ref");
    device.port = in.number<std::uint32_t>("port");
    device.control_gfn = in.number<std::uint64_t>("control_gfn");
    return device;
}

VifRecord read_vif(const json& object, std::optional<std::string>& error) {
    Fields in(object, error);
    VifRecord vif;
    vif.id = in.number<std::uint32_t>("id");
    vif.leaving = in.flag("leaving");
    noxs::VifSettings& settings = vif.settings;
    settings.mac = in.parsed<noxs::Mac>("mac", noxs::parse_mac);
    settings.mtu = in.number<std::uint16_t>("mtu");
    settings.ipv4 = in.parsed<noxs::Ipv4Net>("ip", [](std::string_view text) { return noxs::parse_ipv4_net(text); });
    settings.ipv4_gateway = in.parsed<noxs::Ipv4>("gateway", noxs::parse_ipv4);
    settings.ipv6 = in.parsed<noxs::Ipv6>("ip6", noxs::parse_ipv6);
    settings.ipv6_prefix = in.number<std::uint8_t>("ip6_prefix", 128);
    settings.ipv6_gateway = in.parsed<noxs::Ipv6>("gateway6", noxs::parse_ipv6);
    settings.network = in.text("network");
    settings.check_source = in.flag("spoof_check");
    settings.rate = in.number<std::uint64_t>("rate");
    return vif;
}

VbdRecord read_vbd(const json& object, std::optional<std::string>& error) {
    Fields in(object, error);
    return {.id = in.number<std::uint32_t>("id"), .leaving = in.flag("leaving")};
}

/// They changed a page that a guest could read once at most: whatever is written next differs from that.
constexpr std::uint32_t generation_of_older_daemons = 1000;

void read_data_devices(Fields& in, Record& record, std::optional<std::string>& error) {
    if (in.has("generation") || in.has("settled")) {
        record.generation = in.number<std::uint32_t>("generation");
        record.settled = in.flag("settled");
    } else {
        record.generation = generation_of_older_daemons;
    }
    if (in.has("lane")) {
        record.lane = base::EvtchnPort{in.number<std::uint32_t>("lane")};
        for (const auto& item : in.array("vifs", max_devices)) {
            record.vifs.push_back(read_vif(item, error));
        }
        for (const auto& item : in.array("vbds", max_devices)) {
            record.vbds.push_back(read_vbd(item, error));
        }
    }
    if (record.vifs.size() != record.config.vifs.size() || record.vbds.size() != record.config.vbds.size()) {
        in.complain("vifs, vbds: expected as many as in the configuration");
    }
}

void read_timing(Fields& in, Record& record) {
    const json& timing = in.array("timing_ns", phase_count);
    for (std::size_t i = 0; i < phase_count && i < timing.size(); ++i) {
        const bool fits = timing[i].is_number_unsigned() && timing[i].get<std::uint64_t>() <= UINT32_MAX;
        if (!fits) {
            in.complain("timing_ns: expected numbers of nanoseconds");
            return;
        }
        record.timing[i] = timing[i].get<std::uint32_t>();
    }
}

}  // namespace

Result<Record> parse_record(std::string_view text) {
    const json document = json::parse(text, nullptr, false);
    if (document.is_discarded()) {
        return base::fail(base::Code::protocol_error, "it is not JSON");
    }
    std::optional<std::string> error;
    Fields in(document, error);
    const auto version = in.number<unsigned>("version");
    if (!error && version != Record::version) {
        return base::fail(base::Code::version_mismatch, words("version ", version, ", expected ", Record::version));
    }
    Record record;
    record.id = base::DomId{in.number<std::uint16_t>("id", base::first_reserved_domid - 1)};
    if (in.has("kind")) {
        record.kind = in.kind("kind");
    }
    record.created_unix_ms = in.number<std::int64_t>("created_unix_ms");
    const auto wanted = in.text("wanted");
    record.wanted = wanted == "paused" ? Wanted::paused : Wanted::running;
    if (wanted != "paused" && wanted != "running") {
        in.complain("wanted: expected running or paused");
    }
    record.from_pool = in.flag("from_pool");
    read_timing(in, record);
    record.total_ns = in.number<std::uint64_t>("total_ns");
    record.ready_ns = in.number<std::uint64_t>("ready_ns");
    for (const auto& item : in.array("devices", max_devices)) {
        record.devices.push_back(read_device(item, error));
    }
    record.config = read_config(in.object("config"), error);
    read_data_devices(in, record, error);
    if (error) {
        return base::fail(base::Code::protocol_error, *std::move(error));
    }
    return record;
}

}  // namespace split
