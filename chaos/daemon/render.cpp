// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/render.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "chaos/config/units.hpp"
#include "split-toolstack/words.hpp"

namespace chaos {

namespace {

std::string_view end_action(split::EndAction action) {
    constexpr std::array<std::string_view, 3> names{"destroy", "restart", "preserve"};
    return names[static_cast<std::size_t>(action)];
}

bool has_ended(const split::DomainView& view) {
    return view.state == split::State::shutdown || view.state == split::State::crashed;
}

void write_cpumap(json::Writer& writer, std::uint64_t cpus) {
    writer.key("cpumap").begin_array();
    for (unsigned cpu = 0; cpu < 64; ++cpu) {
        if ((cpus >> cpu & 1) != 0) {
            writer.value(cpu);
        }
    }
    writer.end_array();
}

/// Numbers of 64 bits are strings: many a JSON reader would round them.
void write_crash(json::Writer& writer, const split::DomainView& view) {
    if (!view.crash.function.empty()) {
        writer.member("function", view.crash.function);
    }
    if (!view.crash.callers.empty()) {
        writer.key("callers").begin_array();
        for (const std::string& caller : view.crash.callers) {
            writer.value(caller);
        }
        writer.end_array();
    }
    if (!view.crash.unnamed.empty()) {
        writer.member("no_function", view.crash.unnamed);
    }
    if (view.death.registers) {
        writer.key("registers").begin_object();
        for (const auto& [name, value] : split::named_registers(*view.death.registers)) {
            writer.member(name, split::words(split::Hex{value}));
        }
        writer.end_object();
    }
}

void write_ended(json::Writer& writer, const split::DomainView& view, hypervisor::Detail detail) {
    writer.key("ended")
        .begin_object()
        .member("kind", hypervisor::kind_name(view.death.kind))
        .member("how", view.ended)
        .member("exit_code", view.death.code);
    if (detail == hypervisor::Detail::full) {
        write_crash(writer, view);
    }
    writer.end_object();
}

}  // namespace

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void write_timing(json::Writer& writer, const split::DomainView& view) {
    writer.begin_object().key("total_us").micros(view.total_ns).key("ready_us");
    if (view.ready_ns == 0) {
        writer.null();
    } else {
        writer.micros(view.ready_ns);
    }
    writer.member("from_pool", view.from_pool).key("phases").begin_object();
    for (std::size_t i = 0; i < split::phase_count; ++i) {
        writer.key(split::phase_name(static_cast<split::Phase>(i))).micros(view.timing[i]);
    }
    writer.end_object().end_object();
}

void write_created(json::Writer& writer, const split::DomainView& view) {
    writer.begin_object()
        .member("id", view.id.value)
        .member("name", view.name)
        .member("state", split::state_name(view.state))
        .key("timing");
    write_timing(writer, view);
    writer.end_object();
}

void write_domain_members(json::Writer& writer, const split::DomainView& view, hypervisor::Detail detail) {
    writer.member("id", view.id.value)
        .member("name", view.name)
        .member("state", split::state_name(view.state))
        .member("kind", split::kind_name(view.kind))
        .member("ready", view.ready)
        .member("memory_bytes", view.memory.value)
        .member("vcpus", view.vcpus)
        .member("kernel", view.kernel)
        .member("created_unix_ms", view.created_unix_ms)
        .member("uptime_ms", std::max<std::int64_t>(0, unix_ms() - view.created_unix_ms))
        .key("timing");
    write_timing(writer, view);
    if (has_ended(view)) {
        write_ended(writer, view, detail);
    }
}

void write_host_members(json::Writer& writer, const hypervisor::DomainInfo& info) {
    writer.member("driver", info.driver)
        .member("cpu_time_us", info.cpu_time_us)
        .member("resident_bytes", info.resident.value)
        .member("host_pid", info.host_pid);
}

void write_config(json::Writer& writer, const split::VmConfig& config) {
    writer.begin_object()
        .member("name", config.name)
        .member("kernel", config.kernel)
        .member("ramdisk", config.ramdisk)
        .member("cmdline", config.cmdline)
        .member("memory", size_text(config.memory))
        .key("vcpus")
        .begin_object()
        .member("count", config.vcpus);
    if (config.cpumap != 0) {
        write_cpumap(writer, config.cpumap);
    }
    writer.end_object().member("paused", config.paused);
    if (config.pvh) {
        writer.key("xen").begin_object().member("pvh", *config.pvh).end_object();
    }
    writer.key("console");
    if (config.console) {
        writer.begin_object().member("log", size_text(config.console_log)).end_object();
    } else {
        writer.value(false);
    }
    writer.member("on_poweroff", end_action(config.on_poweroff))
        .member("on_reboot", end_action(config.on_reboot))
        .member("on_crash", end_action(config.on_crash));
    write_device_config(writer, config);
    writer.end_object();
}

void write_flavour(json::Writer& writer, const split::FlavourStatus& flavour) {
    writer.begin_object()
        .member("memory", size_text(flavour.settings.memory))
        .member("memory_bytes", flavour.settings.memory.value)
        .member("vcpus", flavour.settings.vcpus)
        .member("vifs", flavour.settings.vifs)
        .member("vbds", flavour.settings.vbds)
        .member("floor", flavour.settings.floor)
        .member("ceiling", flavour.settings.ceiling)
        .member("target", flavour.target)
        .member("ready", flavour.ready)
        .member("hits", flavour.hits)
        .member("misses", flavour.misses)
        .member("prepared", flavour.prepared)
        .member("last_error", flavour.last_error)
        .end_object();
}

}  // namespace chaos
