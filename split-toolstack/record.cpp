// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/record.hpp"

#include "split-toolstack/names.hpp"
#include "split-toolstack/toolstack.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

void append_quoted(std::string& out, std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += "\\u00";
            out += digits[static_cast<unsigned char>(c) >> 4];
            out += digits[static_cast<unsigned char>(c) & 15];
        } else {
            out += c;
        }
    }
    out += '"';
}

/// Members of one JSON object, in the order of the calls.
class ObjectWriter {
 public:
    explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
    ObjectWriter(const ObjectWriter&) = delete;
    ObjectWriter& operator=(const ObjectWriter&) = delete;
    ~ObjectWriter() { out_ += '}'; }

    void text(std::string_view key, std::string_view value) {
        name(key);
        append_quoted(out_, value);
    }
    template <std::integral T>
    void number(std::string_view key, T value) {
        name(key);
        append(out_, value);
    }
    void flag(std::string_view key, bool value) {
        name(key);
        out_ += value ? "true" : "false";
    }
    /// The key alone: the caller appends the value.
    std::string& name(std::string_view key) {
        if (!first_) {
            out_ += ',';
        }
        first_ = false;
        out_ += '"';
        out_ += key;
        out_ += "\":";
        return out_;
    }

 private:
    std::string& out_;
    bool first_{true};
};

template <class Items, class F>
void append_array(std::string& out, const Items& items, F render) {
    out += '[';
    bool first = true;
    for (const auto& item : items) {
        if (!first) {
            out += ',';
        }
        first = false;
        render(item);
    }
    out += ']';
}

void append_config(std::string& out, const VmConfig& config) {
    ObjectWriter object(out);
    object.text("name", config.name);
    object.text("kernel", config.kernel);
    object.text("ramdisk", config.ramdisk);
    object.text("cmdline", config.cmdline);
    object.number("memory", config.memory.value);
    object.number("vcpus", config.vcpus);
    object.number("cpumap", config.cpumap);
    if (config.pvh) {
        object.flag("pvh", *config.pvh);
    }
    object.flag("paused", config.paused);
    object.flag("console", config.console);
    object.number("console_log", config.console_log.value);
    object.text("on_poweroff", action_name(config.on_poweroff));
    object.text("on_reboot", action_name(config.on_reboot));
    object.text("on_crash", action_name(config.on_crash));
    append_array(object.name("vifs"), config.vifs, [&out](const VifConfig& vif) {
        ObjectWriter item(out);
        item.text("ip", vif.ip);
        item.text("mac", vif.mac);
        item.text("bridge", vif.bridge);
        item.text("ip6", vif.ip6);
        item.number("rate", vif.rate);
        item.flag("spoof_check", vif.check_source);
    });
    append_array(object.name("vbds"), config.vbds, [&out](const VbdConfig& vbd) {
        ObjectWriter item(out);
        item.text("target", vbd.target);
        item.text("type", vbd.type);
        item.text("vdev", vbd.vdev);
        item.text("access", vbd.access);
    });
}

void append_vif(std::string& out, const VifRecord& vif) {
    ObjectWriter item(out);
    const noxs::VifSettings& settings = vif.settings;
    item.number("id", vif.id);
    item.flag("leaving", vif.leaving);
    item.text("mac", text_of(settings.mac));
    item.number("mtu", settings.mtu);
    item.text("ip", text_of(settings.ipv4));
    item.text("gateway", text_of(settings.ipv4_gateway));
    item.text("ip6", text_of(settings.ipv6));
    item.number("ip6_prefix", settings.ipv6_prefix);
    item.text("gateway6", text_of(settings.ipv6_gateway));
    item.text("network", settings.network);
    item.flag("spoof_check", settings.check_source);
    item.number("rate", settings.rate);
}

void append_device(std::string& out, const noxs::wire::DeviceEntry& device) {
    ObjectWriter item(out);
    item.number("type", static_cast<std::uint16_t>(device.type));
    item.number("id", device.id);
    item.number("backend", device.backend);
    item.number("control_ref", device.control_ref);
    item.number("port", device.port);
    item.number("control_gfn", device.control_gfn);
}

/// Only of a guest that has, or had, network or disks.
void append_data_devices(ObjectWriter& object, std::string& out, const Record& record) {
    if (!record.lane) {
        return;
    }
    object.number("lane", record.lane->value);
    append_array(object.name("vifs"), record.vifs, [&out](const VifRecord& vif) { append_vif(out, vif); });
    append_array(object.name("vbds"), record.vbds, [&out](const VbdRecord& vbd) {
        ObjectWriter item(out);
        item.number("id", vbd.id);
        item.flag("leaving", vbd.leaving);
    });
}

}  // namespace

void render_record(const Record& record, std::string& out) {
    ObjectWriter object(out);
    object.number("version", Record::version);
    object.number("id", record.id.value);
    if (record.kind != hypervisor::GuestKind::native) {
        object.text("kind", kind_name(record.kind));
    }
    object.number("created_unix_ms", record.created_unix_ms);
    object.text("wanted", record.wanted == Wanted::paused ? "paused" : "running");
    object.flag("from_pool", record.from_pool);
    append_array(object.name("timing_ns"), record.timing, [&out](std::uint32_t ns) { append(out, ns); });
    object.number("total_ns", record.total_ns);
    object.number("ready_ns", record.ready_ns);
    append_array(object.name("devices"), record.devices, [&out](const auto& device) { append_device(out, device); });
    object.number("generation", record.generation);
    object.flag("settled", record.settled);
    append_data_devices(object, out, record);
    append_config(object.name("config"), record.config);
}

}  // namespace split
