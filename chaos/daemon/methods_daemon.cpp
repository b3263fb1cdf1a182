// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "chaos/config/schema.hpp"
#include "chaos/daemon/methods.hpp"
#include "chaos/daemon/render.hpp"
#include "chaos/version.hpp"

namespace chaos {

namespace {

struct DaemonParams {
    std::optional<std::uint64_t> api;
    bool destroy{false};
};

constexpr Field<DaemonParams> hello_fields[] = {{"api",
                                                 [](const Node& node, DaemonParams& params) -> Result<void> {
                                                     BASE_ASSIGN(params.api, node.number(0, UINT32_MAX));
                                                     return {};
                                                 }},
                                                {"client", [](const Node& node, DaemonParams&) -> Result<void> {
                                                     BASE_TRY(node.string());
                                                     return {};
                                                 }}};

constexpr Field<DaemonParams> stop_fields[] = {{"domains", [](const Node& node, DaemonParams& params) -> Result<void> {
                                                    constexpr std::string_view words[] = {"keep", "destroy"};
                                                    BASE_ASSIGN(const std::size_t index, node.word(words));
                                                    params.destroy = index == 1;
                                                    return {};
                                                }}};

Result<void> expect_none(const Call& call) {
    return call.params.value().children.empty() ? Result<void>() : call.params.fail("expected no parameters");
}

// Also tells this daemon what the client speaks: with another version, nothing else is done for it.
Result<void> hello(const Call& call) {
    DaemonParams params;
    BASE_TRY(read_object(call.params, hello_fields, params));
    call.client.other_version = params.api && *params.api != rpc::api_version;
    const auto toolstack = call.service.toolstack();
    call.reply([&](json::Writer& writer) {
        writer.begin_object()
            .member("version", version)
            .member("api", rpc::api_version)
            .member("driver", toolstack ? std::string_view((*toolstack)->capabilities().name) : std::string_view())
            .member("pid", ::getpid())
            .end_object();
    });
    return {};
}

void write_driver(json::Writer& writer, const hypervisor::Capabilities& driver) {
    writer.begin_object()
        .member("name", driver.name)
        .member("version", driver.version)
        .member("isolation", driver.isolation)
        .member("max_vcpus", driver.max_vcpus)
        .member("max_domains", driver.max_domains)
        .member("max_domains_limit", driver.max_domains_limit)
        .member("min_memory_bytes", driver.min_memory.value)
        .member("max_memory_bytes", driver.max_memory.value)
        .member("foreign_kernels", driver.foreign_kernels)
        .key("notes")
        .begin_array();
    for (const std::string& note : driver.notes) {
        writer.value(note);
    }
    writer.end_array().end_object();
}

void write_memory(json::Writer& writer, const Result<hypervisor::HostInfo>& host) {
    writer.key("memory");
    if (!host) {
        writer.null();
        return;
    }
    writer.begin_object()
        .member("total_bytes", host->total_memory.value)
        .member("free_bytes", host->free_memory.value)
        .end_object();
}

void write_skipped(json::Writer& writer, const std::vector<hypervisor::SkippedDriver>& skipped) {
    writer.key("skipped_drivers").begin_array();
    for (const auto& driver : skipped) {
        writer.begin_object().member("name", driver.name).member("why", driver.why).end_object();
    }
    writer.end_array();
}

void write_limits(json::Writer& writer, const Limits& limits) {
    writer.begin_object()
        .member("connections", limits.connections)
        .member("create_count", limits.create_count)
        .member("request_bytes", limits.request.value)
        .member("replies_bytes", limits.replies.value)
        .member("notifications_bytes", limits.notifications.value)
        .member("events", limits.events)
        .end_object();
}

Result<void> info(const Call& call) {
    BASE_TRY(expect_none(call));
    BASE_ASSIGN(const split::Toolstack* toolstack, call.service.toolstack());
    call.reply([&](json::Writer& writer) {
        writer.begin_object()
            .member("version", version)
            .member("api", rpc::api_version)
            .member("pid", ::getpid())
            .member("uptime_ms", unix_ms() - call.service.started_unix_ms())
            .member("socket", call.service.settings().socket)
            .member("state_dir", call.service.settings().state_dir)
            .member("domains", toolstack->metrics().domains)
            .member("connections", call.service.clients().size())
            .key("driver");
        write_driver(writer, toolstack->capabilities());
        write_memory(writer, toolstack->host_info());
        write_skipped(writer, call.service.host().skipped_drivers());
        writer.key("limits");
        write_limits(writer, call.service.settings().limits);
        writer.end_object();
    });
    return {};
}

Result<void> stop(const Call& call) {
    DaemonParams params;
    BASE_TRY(read_object(call.params, stop_fields, params));
    Service& service = call.service;
    const auto reply_and_stop = [&service, client = call.client.id, id = call.request_id](std::size_t destroyed) {
        service.clients().reply(client, id, [&](json::Writer& writer) {
            writer.begin_object().member("stopping", true).member("destroyed", destroyed).end_object();
        });
        service.host().stop();
    };
    if (params.destroy) {
        service.destroy_all(reply_and_stop);
    } else {
        reply_and_stop(0);
    }
    return {};
}

Result<void> schema(const Call& call) {
    BASE_TRY(expect_none(call));
    call.reply([](json::Writer& writer) { writer.begin_object().key("schema").raw(vm_schema_line()).end_object(); });
    return {};
}

Result<void> metrics(const Call& call) {
    BASE_TRY(expect_none(call));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    const std::string text = metrics_text(toolstack->metrics(), toolstack->device_totals(), toolstack->pool_status(),
                                          toolstack->networks().list(), call.service.metrics());
    call.reply([&](json::Writer& writer) {
        writer.begin_object().member("content_type", "text/plain; version=0.0.4").member("text", text).end_object();
    });
    return {};
}

constexpr Method methods[] = {
    {"hello", hello}, {"daemon.info", info}, {"daemon.stop", stop}, {"schema.get", schema}, {"metrics.get", metrics},
};

}  // namespace

std::span<const Method> daemon_methods() {
    return methods;
}

}  // namespace chaos
