// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/site.hpp"

#include <new>

#include "guest-shims/runtime/format.hpp"

namespace guest {

namespace {

struct Refusal {
    HttpStatus status;
    std::string_view body;
};

constexpr Refusal refusals[] = {
    {HttpStatus::not_found, "Not found.\n"},
    {HttpStatus::bad_request, "Bad request.\n"},
    {HttpStatus::method_not_allowed, "Only GET and HEAD.\n"},
    {HttpStatus::content_too_large, "No bodies, please.\n"},
    {HttpStatus::headers_too_large, "The request is too long.\n"},
    {HttpStatus::version_not_supported, "HTTP/1 only.\n"},
};

}  // namespace

Site::Site(Heap& heap) : heap_(heap) {
    answers_ = static_cast<HttpAnswer*>(heap.allocate((std::size(refusals) + max_files) * sizeof(HttpAnswer)));
    for (const auto& refusal : refusals) {
        auto* answer = new (&answers_[errors_++]) HttpAnswer{};
        answer->status = refusal.status;
        answer->piece = refusal.body;
        answer->size = refusal.body.size();
        answer->head = make_head(*answer, "text/plain; charset=utf-8");
    }
}

std::string_view Site::make_head(const HttpAnswer& answer, std::string_view type) {
    constexpr std::size_t longest = 224;
    auto* memory = static_cast<char*>(heap_.allocate(longest));
    if (memory == nullptr) {
        return {};
    }
    TextBuffer text({memory, longest});
    format(text, "HTTP/1.1 {} {}\r\nServer: chaos-httpd\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
           static_cast<unsigned>(answer.status), reason_of(answer.status), type, answer.size);
    if (answer.status == HttpStatus::method_not_allowed) {
        text.put("Allow: GET, HEAD\r\n");
    }
    return text.text();
}

bool Site::add(std::string_view path, std::string_view piece, std::size_t size) {
    if (files_ == max_files || answers_ == nullptr) {
        return false;
    }
    auto* answer = new (&answers_[errors_ + files_]) HttpAnswer{path, HttpStatus::ok, {}, piece, size};
    answer->head = make_head(*answer, path == "/" ? "text/html; charset=utf-8" : media_type_of(path));
    if (answer->head.empty()) {
        return false;
    }
    ++files_;
    return true;
}

const HttpAnswer& Site::find(std::string_view path) const {
    for (std::size_t i = 0; i < files_; ++i) {
        if (answers_[errors_ + i].path == path) {
            return answers_[errors_ + i];
        }
    }
    return answer_of(HttpStatus::not_found);
}

const HttpAnswer& Site::answer_of(HttpStatus status) const {
    for (std::size_t i = 0; i < errors_; ++i) {
        if (answers_[i].status == status) {
            return answers_[i];
        }
    }
    return answers_[0];
}

}  // namespace guest
