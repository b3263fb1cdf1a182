// SPDX-License-Identifier: Apache-2.0
#include "base/mapping.hpp"

#include <sys/mman.h>

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <utility>

namespace base {

namespace ipc = boost::interprocess;

struct Mapping::Region {
    ipc::mapped_region mapped;
    std::byte* taken{nullptr};
    std::size_t size{0};
    Release release;

    explicit Region(ipc::mapped_region region) : mapped(std::move(region)) {}
    Region(std::byte* data, std::size_t bytes, Release undo) : taken(data), size(bytes), release(std::move(undo)) {}
    ~Region() {
        if (release) {
            release(taken, size);
        }
    }
};

namespace {

/// What Boost.Interprocess asks of something that it can map.
struct MappableFd {
    int fd;
    ipc::mapping_handle_t get_mapping_handle() const { return {fd, false}; }
};

}  // namespace

Mapping::Mapping() = default;
Mapping::Mapping(Mapping&& other) noexcept
    : region_(std::move(other.region_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}
Mapping& Mapping::operator=(Mapping&& other) noexcept {
    region_ = std::move(other.region_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    return *this;
}
Mapping::~Mapping() = default;

Result<Mapping> Mapping::map(int fd, std::uint64_t offset, std::size_t size, Access access, Populate populate) {
    Mapping mapping;
    const auto mode = access == Access::read_only ? ipc::read_only : ipc::read_write;
    const auto options =
        populate == Populate::now ? MAP_SHARED | MAP_POPULATE : static_cast<int>(ipc::default_map_options);
    try {
        mapping.region_ = std::make_unique<Region>(
            ipc::mapped_region(MappableFd{fd}, mode, static_cast<ipc::offset_t>(offset), size, nullptr, options));
    } catch (const ipc::interprocess_exception& e) {
        return fail(sys_error(e.get_native_error(), "mapping of shared pages"));
    }
    mapping.data_ = static_cast<std::byte*>(mapping.region_->mapped.get_address());
    mapping.size_ = size;
    return mapping;
}

Mapping Mapping::take(std::byte* data, std::size_t size, Release release) {
    Mapping mapping;
    mapping.region_ = std::make_unique<Region>(data, size, std::move(release));
    mapping.data_ = data;
    mapping.size_ = size;
    return mapping;
}

Mapping Mapping::view(std::byte* data, std::size_t size) {
    Mapping mapping;
    mapping.data_ = data;
    mapping.size_ = size;
    return mapping;
}

}  // namespace base
