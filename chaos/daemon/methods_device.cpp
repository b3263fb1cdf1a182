// SPDX-License-Identifier: Apache-2.0
// Devices that are attached to a guest that runs, and detached from it.
#include "chaos/config/vm_device_fields.hpp"
#include "chaos/daemon/methods.hpp"
#include "noxs/backends.hpp"

namespace chaos {

namespace {

using noxs::wire::DeviceType;

struct AttachParams {
    Target target;
    const json::Value* vif{nullptr};
    const json::Value* vbd{nullptr};
    std::string base;
};

struct DetachParams {
    Target target;
    split::DeviceChoice device;
    std::chrono::milliseconds timeout{split::detach_timeout};
};

template <const json::Value* AttachParams::*member>
Result<void> keep(const Node& node, AttachParams& params) {
    params.*member = &node.value();
    return {};
}

constexpr Field<AttachParams> attach_fields[] = {
    {"id", [](const Node& n, AttachParams& p) { return read_target_id(n, p.target); }},
    {"name", [](const Node& n, AttachParams& p) { return read_target_name(n, p.target); }},
    {"vif", keep<&AttachParams::vif>},
    {"vbd", keep<&AttachParams::vbd>},
    {"base", [](const Node& n, AttachParams& p) -> Result<void> {
         BASE_ASSIGN(p.base, n.string());
         return p.base.starts_with('/') ? Result<void>() : n.unexpected("an absolute path");
     }}};

Result<void> read_type(const Node& node, DetachParams& params) {
    constexpr std::string_view words[] = {"vif", "vbd"};
    BASE_ASSIGN(const std::size_t index, node.word(words));
    params.device.type = index == 0 ? DeviceType::vif : DeviceType::vbd;
    return {};
}

Result<void> read_which(const Node& node, DetachParams& params) {
    if (const auto number = node.value().as_unsigned()) {
        params.device.which = std::to_string(*number);
        return {};
    }
    BASE_ASSIGN(params.device.which, node.string());
    return {};
}

constexpr Field<DetachParams> detach_fields[] = {
    {"id", [](const Node& n, DetachParams& p) { return read_target_id(n, p.target); }},
    {"name", [](const Node& n, DetachParams& p) { return read_target_name(n, p.target); }},
    {"type", read_type},
    {"device", read_which},
    {"timeout_ms", [](const Node& n, DetachParams& p) { return read_timeout(n, p.timeout); }}};

Result<std::uint32_t> attach_vif(const Call& call, base::DomId domain, const Node& node) {
    split::VifConfig vif;
    BASE_TRY(read_vif(node, vif));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    return toolstack->attach(domain, vif);
}

Result<std::uint32_t> attach_vbd(const Call& call, base::DomId domain, const Node& node, const std::string& base) {
    split::VbdConfig vbd;
    BASE_TRY(read_vbd(node, VmReader{.config = {}, .directory = base, .argument_directory = base}, vbd));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    return toolstack->attach(domain, vbd);
}

Result<void> attach(const Call& call) {
    AttachParams params;
    BASE_TRY(read_object(call.params, attach_fields, params));
    if ((params.vif == nullptr) == (params.vbd == nullptr)) {
        return call.params.fail("expected one of \"vif\" and \"vbd\", with what the device shall be");
    }
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    const DeviceType type = params.vif != nullptr ? DeviceType::vif : DeviceType::vbd;
    const Node node(call.params, type == DeviceType::vif ? *params.vif : *params.vbd);
    BASE_ASSIGN(const std::uint32_t id,
                type == DeviceType::vif ? attach_vif(call, domain, node) : attach_vbd(call, domain, node, params.base));
    call.reply([&](json::Writer& writer) {
        writer.begin_object()
            .member("id", domain.value)
            .key("device")
            .begin_object()
            .member("type", noxs::type_name(type))
            .member("id", id)
            .end_object()
            .end_object();
    });
    return {};
}

Result<void> detach(const Call& call) {
    DetachParams params;
    BASE_TRY(read_object(call.params, detach_fields, params));
    if (params.device.type == DeviceType::none || params.device.which.empty()) {
        return call.params.fail("expected \"type\", as \"vif\", and \"device\": its id, MAC or vdev");
    }
    BASE_ASSIGN(const base::DomId domain, find_target(call, params.target));
    BASE_ASSIGN(split::Toolstack * toolstack, call.service.toolstack());
    DetachWaits& waits = call.service.detach_waits();
    waits.begin();
    BASE_ASSIGN(const std::uint32_t id, toolstack->detach(domain, params.device, params.timeout));
    waits.add(domain, params.device.type, id, call.client.id, call.request_id);
    return {};
}

constexpr Method methods[] = {{"domain.attach", attach}, {"domain.detach", detach}};

}  // namespace

std::span<const Method> device_methods() {
    return methods;
}

}  // namespace chaos
