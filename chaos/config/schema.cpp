// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/schema.hpp"

#include "chaos/json/parse.hpp"
#include "chaos/json/writer.hpp"

namespace chaos {

std::string_view vm_schema_line() {
    static const std::string line = [] {
        std::string text;
        if (const auto schema = json::parse(vm_schema(), json::Comments::rejected)) {
            json::append_value(text, *schema);
        }
        return text;
    }();
    return line;
}

}  // namespace chaos
