// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/options.hpp"

#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

[[noreturn]] void usage(const char* program, const std::map<std::string, std::string>& values) {
    std::fprintf(stderr, "usage: %s", program);
    for (const auto& [key, value] : values) {
        std::fprintf(stderr, " [--%s %s]", key.c_str(), value.empty() ? "FILE|FOLDER/" : value.c_str());
    }
    std::fputc('\n', stderr);
    std::exit(2);
}

}  // namespace

Options::Options(int argc, char** argv, std::map<std::string, std::string> defaults) : values_(std::move(defaults)) {
    values_.try_emplace("json", "");
    for (int i = 1; i < argc; i += 2) {
        const std::string key = argv[i];
        const auto found = key.starts_with("--") ? values_.find(key.substr(2)) : values_.end();
        if (found == values_.end() || i + 1 == argc) {
            usage(argv[0], values_);
        }
        found->second = argv[i + 1];
    }
}

unsigned Options::number(const std::string& key) const {
    return static_cast<unsigned>(std::strtoul(values_.at(key).c_str(), nullptr, 10));
}

}  // namespace bench
