// SPDX-License-Identifier: Apache-2.0
#include "noxs/block/block_log.hpp"

#include <system_error>

#include "base/log.hpp"

namespace noxs {

namespace {

std::string what(const BlockWork& work) {
    const std::string where = std::to_string(work.sectors) + " sectors at " + std::to_string(work.sector);
    switch (work.op) {
        case wire::BlockOp::read: return "read of " + where;
        case wire::BlockOp::write: return "write of " + where;
        case wire::BlockOp::discard: return "discard of " + where;
        default: return "flush";
    }
}

}  // namespace

void BlockLog::failed(const DeviceName& device, const std::string& path, const BlockWork& work, int error,
                      Clock::time_point now) {
    if (said_ && now - *said_ < interval) {
        ++unsaid_;
        return;
    }
    std::string text = "domain " + std::to_string(device.domain.value) + ": vbd " + std::to_string(device.id) +
                       ": disk " + path + ": " + what(work) + ": " + std::generic_category().message(error);
    if (unsaid_ > 0) {
        text += " (and " + std::to_string(unsaid_) + " errors before it)";
    }
    said_ = now;
    unsaid_ = 0;
    base::log(base::Level::warn, text);
}

}  // namespace noxs
