// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/result.hpp"

namespace base {

enum class Access { read_only, read_write };
enum class Populate { on_touch, now };

/// A mapping of a shared region (Boost.Interprocess underneath). Owns it, or is a window into a mapping that
/// somebody else keeps alive (`view`). Move-only. What is behind `data()` may be written by a guest at any time:
/// copy once, validate the copy.
class Mapping {
 public:
    Mapping();
    Mapping(Mapping&&) noexcept;
    Mapping& operator=(Mapping&&) noexcept;
    ~Mapping();

    /// Maps `size` bytes of `fd` (a memfd or file) from `offset`, shared. Both are multiples of the page size.
    /// The descriptor is not kept.
    static Result<Mapping> map(int fd, std::uint64_t offset, std::size_t size, Access access,
                               Populate populate = Populate::on_touch);

    /// Owns a mapping that something else has made (a hypervisor's own library): `release` undoes it.
    using Release = std::move_only_function<void(std::byte* data, std::size_t size)>;
    static Mapping take(std::byte* data, std::size_t size, Release release);

    /// A window into memory that outlives it; unmaps nothing.
    static Mapping view(std::byte* data, std::size_t size);

    std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }
    explicit operator bool() const { return data_ != nullptr; }

    /// The object of type T at `offset`. The caller has checked that it lies inside.
    template <class T>
    T* at(std::size_t offset = 0) const {
        return reinterpret_cast<T*>(data_ + offset);
    }

 private:
    struct Region;
    std::unique_ptr<Region> region_;
    std::byte* data_{nullptr};
    std::size_t size_{0};
};

}  // namespace base
