// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/xen_lane.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

extern "C" {
#include <xen/grant_table.h>
}

namespace hypervisor::xen {

namespace {

constexpr std::size_t most_pieces = 64;

}  // namespace

Result<std::unique_ptr<DataLane>> XenLane::open(base::DomId domain, base::EvtchnPort guest,
                                                std::shared_ptr<std::atomic<bool>> open) {
    EventHandle events(::xenevtchn_open(library_logger(), 0));
    if (!events) {
        return base::fail(base::sys_error(errno, "opening /dev/xen/evtchn"));
    }
    const int fd = ::xenevtchn_fd(events.get());
    if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        return base::fail_errno(errno, "/dev/xen/evtchn");
    }
    GrantHandle grants(::xengnttab_open(library_logger(), 0));
    if (!grants) {
        return base::fail_errno(errno, "opening /dev/xen/gntdev");
    }
    const int local = ::xenevtchn_bind_interdomain(events.get(), domain.value, guest.value);
    if (local < 0) {
        return base::fail(base::sys_error(errno, "binding the event channel of a data lane"));
    }
    return std::unique_ptr<DataLane>(new XenLane(domain, guest, std::move(events), std::move(grants),
                                                 static_cast<evtchn_port_t>(local), std::move(open)));
}

bool XenLane::take_ring() {
    const int rung = ::xenevtchn_pending(events_.get());
    if (rung < 0) {
        return false;
    }
    ::xenevtchn_unmask(events_.get(), static_cast<evtchn_port_t>(rung));
    return true;
}

Result<void> XenLane::notify(base::EvtchnPort port) {
    if (port != this->port()) {
        return base::fail(base::Code::invalid_argument, "not the event channel of the data lane");
    }
    if (::xenevtchn_notify(events_.get(), local_) != 0) {
        return base::fail_errno(errno, "notifying a guest");
    }
    return {};
}

Result<base::Mapping> XenLane::map_grant(base::GrantRef ref, base::Access access) {
    return map_grant_of(grants_.get(), domain(), ref, access);
}

void XenLane::copy(std::span<GrantCopy> pieces, CopyDirection direction) {
    while (!pieces.empty()) {
        const auto count = std::min(pieces.size(), most_pieces);
        copy_some(pieces.first(count), direction);
        pieces = pieces.subspan(count);
    }
}

void XenLane::copy_some(std::span<GrantCopy> pieces, CopyDirection direction) {
    std::array<xengnttab_grant_copy_segment_t, most_pieces> segments;
    std::array<GrantCopy*, most_pieces> asked;
    std::uint32_t count = 0;
    for (auto& piece : pieces) {
        piece.done = false;
        if (std::size_t{piece.offset} + piece.size <= base::page_size) {
            segments[count] = copy_segment(domain(), piece, direction);
            asked[count++] = &piece;
        }
    }
    // The kernel refuses all where a piece has memory that is none of ours; Xen answers for each.
    if (count == 0 || ::xengnttab_grant_copy(grants_.get(), count, segments.data()) != 0) {
        return;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        asked[i]->done = segments[i].status == GNTST_okay;
    }
}

xengnttab_grant_copy_segment_t copy_segment(base::DomId domain, const GrantCopy& piece, CopyDirection direction) {
    const bool out = direction == CopyDirection::to_guest;
    xengnttab_grant_copy_segment_t segment{};
    auto& guest = out ? segment.dest : segment.source;
    auto& here = out ? segment.source : segment.dest;
    guest.foreign.ref = piece.ref.value;
    guest.foreign.offset = piece.offset;
    guest.foreign.domid = domain.value;
    here.virt = piece.local;
    segment.len = piece.size;
    segment.flags = out ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    segment.status = GNTST_okay;
    return segment;
}

Result<base::Mapping> map_grant_of(xengnttab_handle* grants, base::DomId domain, base::GrantRef ref,
                                   base::Access access) {
    const int protection = access == base::Access::read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    void* at = ::xengnttab_map_grant_ref(grants, domain.value, ref.value, protection);
    if (at == nullptr) {
        return base::fail(base::Error{base::Code::permission_denied, errno,
                                      "Xen does not map grant " + std::to_string(ref.value) + " of domain " +
                                          std::to_string(domain.value) + ": " + std::strerror(errno)});
    }
    return base::Mapping::take(static_cast<std::byte*>(at), base::page_size,
                               [grants](std::byte* data, std::size_t) { ::xengnttab_unmap(grants, data, 1); });
}

}  // namespace hypervisor::xen
