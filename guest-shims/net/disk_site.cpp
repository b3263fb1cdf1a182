// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/disk_site.hpp"

#include <optional>

#include "guest-shims/frontends/vbd.hpp"
#include "guest-shims/net/tar.hpp"

namespace guest {

namespace wire = noxs::wire;

namespace {

constexpr std::uint32_t pool_pages = wire::direct_segments;
constexpr std::uint64_t read_sectors = pool_pages * Vbd::page_sectors;
/// For the network and its connections.
constexpr std::size_t kept_free = 1 << 20;

/// Returns false on an error of the disk, or when it goes away.
bool read_piece(System& system, Vbd& vbd, const Vbd::Request& request) {
    if (!vbd.start(request)) {
        return false;
    }
    vbd.flush();
    for (;;) {
        vbd.follow();
        if (const auto done = vbd.take()) {
            return done->status == wire::block_okay;
        }
        if (vbd.arm()) {
            system.wait(vbd.patience());
        }
    }
}

bool read_disk(System& system, Vbd& vbd, char* to, std::uint64_t sectors) {
    for (std::uint64_t at = 0; at < sectors; at += read_sectors) {
        const std::uint64_t left = sectors - at;
        const auto count = static_cast<std::uint32_t>(left < read_sectors ? left : read_sectors);
        if (!read_piece(system, vbd, {wire::BlockOp::read, at, count, 0, 0})) {
            return false;
        }
        __builtin_memcpy(to + at * wire::block_sector, vbd.page(0), std::size_t{count} * wire::block_sector);
    }
    return true;
}

/// Where a file is found by clients; nothing: no memory.
std::optional<std::string_view> path_of(Heap& heap, std::string_view name) {
    while (name.starts_with("./") || name.starts_with('/')) {
        name.remove_prefix(name.starts_with('/') ? 1 : 2);
    }
    auto* path = static_cast<char*>(heap.allocate(name.size() + 1));
    if (path == nullptr) {
        return std::nullopt;
    }
    path[0] = '/';
    __builtin_memcpy(path + 1, name.data(), name.size());
    return std::string_view(path, name.size() + 1);
}

std::string_view add_files(Heap& heap, Site& site, std::string_view archive) {
    TarReader reader(archive);
    while (const auto file = reader.next()) {
        const auto path = path_of(heap, file->name);
        if (!path || !site.add(*path, file->content) || (*path == "/index.html" && !site.add("/", file->content))) {
            return "too many files on the vbd";
        }
    }
    return site.files() == 0 ? "no tar archive on the vbd" : "";
}

}  // namespace

std::string_view add_disk_files(System& system, Site& site) {
    Vbd vbd(system, pool_pages);
    while (!vbd.connected()) {
        system.wait();
        vbd.follow();
    }
    const std::size_t available = system.heap().available();
    const std::uint64_t sectors = vbd.sectors();
    if (available < kept_free || sectors > (available - kept_free) / wire::block_sector) {
        return "not enough memory for the archive on the vbd";
    }
    const auto size = static_cast<std::size_t>(sectors) * wire::block_sector;
    auto* archive = static_cast<char*>(system.heap().allocate(size));
    if (archive == nullptr || !read_disk(system, vbd, archive, sectors)) {
        return "the vbd can't be read";
    }
    return add_files(system.heap(), site, {archive, size});
}

}  // namespace guest
