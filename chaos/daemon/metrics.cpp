// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/metrics.hpp"

#include <cinttypes>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

namespace chaos {

namespace {

void head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
    out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ");
    out.append(type).append("\n");
}

void single(std::string& out, std::string_view name, std::string_view type, std::string_view help,
            std::uint64_t value) {
    head(out, name, type, help);
    out.append(name).append(" ").append(std::to_string(value)).append("\n");
}

std::string seconds(std::uint64_t micros) {
    char text[32];
    std::snprintf(text, sizeof text, "%" PRIu64 ".%06u", micros / 1'000'000, static_cast<unsigned>(micros % 1'000'000));
    return text;
}

void phase_histogram(std::string& out, const split::ToolstackMetrics& metrics, std::size_t phase) {
    const std::string label(split::phase_name(static_cast<split::Phase>(phase)));
    const auto& counts = metrics.phase_us[phase];
    const std::string series = "chaos_phase_seconds";
    std::uint64_t sum = 0;
    for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
        sum += counts[bucket];
        const bool last = bucket + 1 == counts.size();
        const std::string bound = last ? "+Inf" : seconds(std::uint64_t{1} << bucket);
        out += series + "_bucket{phase=\"" + label + "\",le=\"" + bound + "\"} " + std::to_string(sum) + "\n";
    }
    out += series + "_sum{phase=\"" + label + "\"} " + seconds(metrics.phase_sum_us[phase]) + "\n";
    out += series + "_count{phase=\"" + label + "\"} " + std::to_string(sum) + "\n";
}

void pool_series(std::string& out, std::string_view name, std::string_view type, std::string_view help,
                 const std::vector<split::FlavourStatus>& pool, std::uint64_t (*value)(const split::FlavourStatus&)) {
    head(out, name, type, help);
    for (const split::FlavourStatus& flavour : pool) {
        out.append(name)
            .append("{memory_bytes=\"")
            .append(std::to_string(flavour.settings.memory.value))
            .append("\",vcpus=\"")
            .append(std::to_string(flavour.settings.vcpus))
            .append("\",vifs=\"")
            .append(std::to_string(flavour.settings.vifs))
            .append("\",vbds=\"")
            .append(std::to_string(flavour.settings.vbds))
            .append("\"} ")
            .append(std::to_string(value(flavour)))
            .append("\n");
    }
}

void toolstack_series(std::string& out, const split::ToolstackMetrics& m) {
    single(out, "chaos_domains", "gauge", "Domains that exist.", m.domains);
    single(out, "chaos_domains_created_total", "counter", "Domains created.", m.created);
    single(out, "chaos_domains_failed_total", "counter", "Creations that failed.", m.failed);
    single(out, "chaos_domains_destroyed_total", "counter", "Domains destroyed.", m.destroyed);
    single(out, "chaos_domains_died_total", "counter", "Domains that ended by themselves.", m.died);
    single(out, "chaos_domains_adopted_total", "counter", "Domains taken over from an earlier daemon.", m.adopted);
    single(out, "chaos_domains_undone_total", "counter", "Half-made domains removed at start.", m.undone);
    single(out, "chaos_console_bytes_total", "counter", "Console output read from guests.", m.console_bytes);
    single(out, "chaos_console_throttled_total", "counter", "Times that a flooding console was throttled.",
           m.console_throttled);
    single(out, "chaos_vifs", "gauge", "Network interfaces that domains have.", m.vifs);
    single(out, "chaos_vbds", "gauge", "Disks that domains have.", m.vbds);
    single(out, "chaos_devices_attached_total", "counter", "Devices attached to running guests.", m.attached);
    single(out, "chaos_devices_detached_total", "counter", "Devices detached from running guests.", m.detached);
    single(out, "chaos_devices_forced_total", "counter", "Devices detached although the guest did not let go.",
           m.detached_by_force);
    single(out, "chaos_devices_stopped_total", "counter", "Devices stopped, for what their guest or disk did.",
           m.devices_stopped);
}

void device_series(std::string& out, const noxs::DeviceTotals& totals) {
    for (const auto& [prefix, counters, help] :
         {std::tuple("chaos_vif_", &totals.vifs, "Of all vifs; tx is what guests sent."),
          std::tuple("chaos_vbd_", &totals.vbds, "Of all vbds.")}) {
        for (const auto& [name, value] : *counters) {
            single(out, prefix + name + "_total", "counter", help, value);
        }
    }
}

/// Counters of the same name belong together, whichever networks have them.
void network_series(std::string& out, const std::vector<split::NetworkView>& networks) {
    std::map<std::string, std::string> series;
    for (const split::NetworkView& network : networks) {
        for (const auto& [name, value] : network.status.counters) {
            series["chaos_network_" + name + "_total"] +=
                "{network=\"" + network.settings.name + "\"} " + std::to_string(value) + "\n";
        }
    }
    head(out, "chaos_network_ports", "gauge", "Ports of the network's switch: vifs and uplinks.");
    for (const split::NetworkView& network : networks) {
        out += "chaos_network_ports{network=\"" + network.settings.name + "\"} " +
               std::to_string(network.status.ports) + "\n";
    }
    for (const auto& [name, lines] : series) {
        head(out, name, "counter", "Of the network's switch.");
        for (std::size_t at = 0; at < lines.size();) {
            const std::size_t end = lines.find('\n', at) + 1;
            out.append(name).append(lines, at, end - at);
            at = end;
        }
    }
}

}  // namespace

std::string metrics_text(const split::ToolstackMetrics& toolstack, const noxs::DeviceTotals& devices,
                         const std::vector<split::FlavourStatus>& pool, const std::vector<split::NetworkView>& networks,
                         const DaemonMetrics& daemon) {
    std::string out;
    toolstack_series(out, toolstack);
    head(out, "chaos_phase_seconds", "histogram", "Duration of each phase of a launch.");
    for (std::size_t phase = 0; phase < split::phase_count; ++phase) {
        phase_histogram(out, toolstack, phase);
    }
    using Flavour = split::FlavourStatus;
    pool_series(out, "chaos_pool_ready", "gauge", "Shells that are ready.", pool,
                [](const Flavour& f) { return std::uint64_t{f.ready}; });
    pool_series(out, "chaos_pool_target", "gauge", "Shells that the pool aims at.", pool,
                [](const Flavour& f) { return std::uint64_t{f.target}; });
    pool_series(out, "chaos_pool_hits_total", "counter", "Launches that found a shell.", pool,
                [](const Flavour& f) { return f.hits; });
    pool_series(out, "chaos_pool_misses_total", "counter", "Launches that found none.", pool,
                [](const Flavour& f) { return f.misses; });
    pool_series(out, "chaos_pool_prepared_total", "counter", "Shells prepared.", pool,
                [](const Flavour& f) { return f.prepared; });
    device_series(out, devices);
    network_series(out, networks);
    single(out, "chaos_api_requests_total", "counter", "Requests received.", daemon.requests);
    single(out, "chaos_api_failed_requests_total", "counter", "Requests answered with an error.",
           daemon.failed_requests);
    single(out, "chaos_api_connections", "gauge", "Clients connected.", daemon.connections);
    single(out, "chaos_events_total", "counter", "Events since the daemon started.", daemon.events);
    single(out, "chaos_hypervisor_lost_total", "counter", "Times that the hypervisor was lost and opened anew.",
           daemon.reopened);
    return out;
}

}  // namespace chaos
