// SPDX-License-Identifier: Apache-2.0
// Network and disks as JSON.
#include <array>

#include "chaos/daemon/render.hpp"
#include "noxs/backends.hpp"
#include "noxs/net_address.hpp"

namespace chaos {

namespace {

std::string_view state_text(noxs::wire::State state) {
    constexpr std::array<std::string_view, 9> names{"unknown",     "initialising",  "init_wait",
                                                    "initialised", "connected",     "closing",
                                                    "closed",      "reconfiguring", "reconfigured"};
    const auto index = static_cast<std::size_t>(state);  // of a frontend: any number
    return index < names.size() ? names[index] : "invalid";
}

void write_vif(json::Writer& writer, const noxs::VifSettings& vif) {
    writer.member("mac", text_of(vif.mac));
    if (vif.ipv4.address) {
        writer.member("ip", text_of(vif.ipv4));
    }
    if (vif.ipv6) {
        writer.member("ip6", text_of(vif.ipv6) + "/" + std::to_string(vif.ipv6_prefix));
    }
    writer.member("bridge", vif.network).member("spoof_check", vif.check_source);
    if (vif.rate != 0) {
        writer.member("rate", vif.rate);
    }
}

void write_vbd(json::Writer& writer, const split::VbdConfig& vbd) {
    writer.member("target", vbd.target).member("vdev", vbd.vdev).member("access", vbd.read_only() ? "ro" : "rw");
}

void write_device(json::Writer& writer, const split::DeviceView& device) {
    writer.begin_object()
        .member("type", noxs::type_name(device.type))
        .member("id", device.id)
        .member("backend", state_text(device.backend))
        .member("frontend", state_text(device.frontend));
    if (device.vif) {
        write_vif(writer, *device.vif);
    }
    if (device.vbd) {
        write_vbd(writer, *device.vbd);
    }
    if (device.leaving) {
        writer.member("leaving", true);
    }
    if (!device.waits.empty()) {
        writer.member("waits", device.waits);
    }
    if (!device.stopped.empty()) {
        writer.member("stopped", device.stopped);
    }
    writer.key("counters").begin_object();
    for (const auto& [name, value] : device.counters) {
        writer.member(name, value);
    }
    writer.end_object().end_object();
}

void write_if(json::Writer& writer, std::string_view key, const std::string& text) {
    if (!text.empty()) {
        writer.member(key, text);
    }
}

}  // namespace

void write_devices(json::Writer& writer, const std::vector<split::DeviceView>& devices) {
    writer.begin_array();
    for (const split::DeviceView& device : devices) {
        write_device(writer, device);
    }
    writer.end_array();
}

void write_device_config(json::Writer& writer, const split::VmConfig& config) {
    writer.key("vifs").begin_array();
    for (const split::VifConfig& vif : config.vifs) {
        writer.begin_object();
        write_if(writer, "ip", vif.ip);
        write_if(writer, "mac", vif.mac);
        write_if(writer, "bridge", vif.bridge);
        write_if(writer, "ip6", vif.ip6);
        if (vif.rate != 0) {
            writer.member("rate", vif.rate);
        }
        writer.member("spoof_check", vif.check_source).end_object();
    }
    writer.end_array().key("vbds").begin_array();
    for (const split::VbdConfig& vbd : config.vbds) {
        writer.begin_object().member("target", vbd.target);
        write_if(writer, "type", vbd.type);
        writer.member("vdev", vbd.vdev).member("access", vbd.read_only() ? "ro" : "rw").end_object();
    }
    writer.end_array();
}

}  // namespace chaos
