// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "noxs/backend.hpp"

namespace test_support {

/// Writes down what backends tell the toolstack.
class RecordingListener final : public noxs::BackendListener {
 public:
    struct Shutdown {
        noxs::wire::ShutdownReason reason;
        std::int32_t exit_code;
    };

    void on_ready(base::DomId) override { ++ready; }
    void on_shutdown(base::DomId, noxs::wire::ShutdownReason reason, std::int32_t exit_code) override {
        shutdowns.push_back({reason, exit_code});
    }
    void on_acknowledged(base::DomId, std::uint32_t requests) override { acknowledged.push_back(requests); }
    void on_console_output(base::DomId, std::uint64_t offset, std::span<const char> bytes) override {
        offsets.push_back(offset);
        output.append(bytes.data(), bytes.size());
    }

    unsigned ready{0};
    std::vector<Shutdown> shutdowns;
    std::vector<std::uint32_t> acknowledged;
    std::vector<std::uint64_t> offsets;
    std::string output;
};

}  // namespace test_support
