// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/process_lane.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstring>

namespace hypervisor::process {

namespace {

constexpr std::size_t data_word = abi::data_port / 64;
static_assert(abi::data_port % 64 == 0 && abi::data_port < abi::max_ports);

}  // namespace

void wake(abi::EventPage& page) {
    shared(page.wake).fetch_add(1, std::memory_order_release);
    ::syscall(SYS_futex, &page.wake, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

bool ProcessLane::take_ring() {
    return shared(event_page().to_host[data_word]).exchange(0, std::memory_order_acq_rel) != 0;
}

Result<void> ProcessLane::notify(base::EvtchnPort port) {
    if (port != this->port()) {
        return base::fail(base::Code::invalid_argument, "not the event channel of the data lane");
    }
    ring_guest(event_page(), port);
    return {};
}

std::byte* ProcessLane::granted(base::GrantRef ref, base::Access access) {
    if (ref.value >= abi::grant_entries) {
        return nullptr;
    }
    auto& live = parts_.memory.at<std::uint64_t>(abi::grant_table_gpa)[ref.value];
    const auto entry = std::bit_cast<base::GrantEntryV1>(shared(live).load(std::memory_order_acquire));
    const auto gpa = granted_page(entry, base::dom0, access, parts_.grantable);
    return gpa ? parts_.memory.data() + *gpa : nullptr;
}

Result<base::Mapping> ProcessLane::map_grant(base::GrantRef ref, base::Access access) {
    auto* page = granted(ref, access);
    if (page == nullptr) {
        return base::fail(base::Code::permission_denied, "the guest has not granted that page");
    }
    return base::Mapping::view(page, base::page_size);
}

void ProcessLane::copy(std::span<GrantCopy> pieces, CopyDirection direction) {
    const bool out = direction == CopyDirection::to_guest;
    for (auto& piece : pieces) {
        auto* page = granted(piece.ref, out ? base::Access::read_write : base::Access::read_only);
        piece.done = page != nullptr && std::size_t{piece.offset} + piece.size <= base::page_size;
        if (piece.done) {
            auto* at = page + piece.offset;
            std::memcpy(out ? at : piece.local, out ? piece.local : at, piece.size);
        }
    }
}

}  // namespace hypervisor::process
