// SPDX-License-Identifier: Apache-2.0
// Configuration files: vm.json, chaosd.json and key=value arguments.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chaos/config/daemon_config.hpp"
#include "chaos/config/vm_config.hpp"

// The first line that begins with '=' and all after it are arguments, one each.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> arguments;
    for (std::size_t mark = 0; (mark = text.rfind("\n=")) != std::string_view::npos && arguments.size() < 16;) {
        arguments.emplace_back(text.substr(mark + 2));
        text = text.substr(0, mark);
    }
    const auto vm = chaos::parse_vm_text(text, "/", chaos::VmSource{"vm.json", arguments, "/"});
    const auto daemon = chaos::parse_daemon_text(text, "/", "chaosd.json");
    const bool explained = (vm || !vm.error().message.empty()) && (daemon || !daemon.error().message.empty());
    if (!explained) {
        __builtin_trap();
    }
    return 0;
}
