// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guest-shims/net/http.hpp"
#include "guest-shims/runtime/heap.hpp"

namespace guest {

/// One answer, made once and sent many times: `head` up to where a Connection line may follow (the empty line is not in
/// it), and a body that is `piece` again and again up to `size`.
struct HttpAnswer {
    std::string_view path;
    HttpStatus status{HttpStatus::ok};
    std::string_view head;
    std::string_view piece;
    std::size_t size{0};
};

/// The files of a server, and its answers to what it does not have. All texts outlive it.
class Site {
 public:
    static constexpr std::size_t max_files = 64;

    explicit Site(Heap& heap);

    /// Returns false where there is no room or no memory.
    bool add(std::string_view path, std::string_view piece, std::size_t size);
    bool add(std::string_view path, std::string_view content) { return add(path, content, content.size()); }

    const HttpAnswer& find(std::string_view path) const;
    const HttpAnswer& answer_of(HttpStatus status) const;
    std::size_t files() const { return files_; }

 private:
    std::string_view make_head(const HttpAnswer& answer, std::string_view type);

    Heap& heap_;
    HttpAnswer* answers_;  ///< the errors, then the files
    std::size_t errors_{0};
    std::size_t files_{0};
};

}  // namespace guest
