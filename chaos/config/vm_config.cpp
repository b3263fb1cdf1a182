// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/vm_config.hpp"

#include <array>

#include "chaos/config/file.hpp"
#include "chaos/config/overrides.hpp"
#include "chaos/config/vm_fields.hpp"
#include "chaos/json/parse.hpp"

namespace chaos {

namespace {

Result<split::VmConfig> read_root(const Document& document, const json::Value& root, std::string_view directory,
                                  std::string_view argument_directory) {
    VmReader reader{.config = {}, .directory = directory, .argument_directory = argument_directory};
    const Node node(document, root);
    BASE_TRY(read_vm_fields(node, reader));
    if (reader.config.kernel.empty()) {
        return node.fail("the key \"kernel\" is missing; expected the path of a guest image");
    }
    return std::move(reader.config);
}

}  // namespace

Result<split::VmConfig> load_vm_file(const std::string& path, const VmSource& source) {
    VmSource named = source;
    if (named.label.empty()) {
        named.label = path;
    }
    BASE_ASSIGN(const std::string text, read_config_file(path, named.label));
    return parse_vm_text(text, folder_of_file(path), named);
}

Result<split::VmConfig> parse_vm_text(std::string_view text, std::string_view directory, const VmSource& source) {
    auto root = json::parse(text, json::Comments::allowed);
    if (!root) {
        const json::Position at = json::position_of(text, root.error().offset);
        return base::fail(base::Code::invalid_config, source.label + ":" + std::to_string(at.line) + ":" +
                                                          std::to_string(at.column) + ": " + root.error().message);
    }
    const Document document{source.label, text, source.overrides};
    if (root->type != json::Type::object) {
        return Node(document, *root).unexpected("an object");
    }
    BASE_TRY(apply_overrides(*root, source.overrides));
    return read_root(document, *root, directory, source.base);
}

Result<split::VmConfig> read_vm_value(const json::Value& value, std::string_view text, const VmSource& source) {
    const Document document{source.label.empty() ? "request" : source.label, text, source.overrides};
    if (source.overrides.empty()) {
        return read_root(document, value, source.base, source.base);
    }
    json::Value copy = value;
    BASE_TRY(apply_overrides(copy, source.overrides));
    return read_root(document, copy, source.base, source.base);
}

}  // namespace chaos
