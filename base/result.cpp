// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <cerrno>
#include <system_error>

namespace base {

std::string_view code_name(Code code) noexcept {
    switch (code) {
        case Code::invalid_argument: return "invalid_argument";
        case Code::invalid_config: return "invalid_config";
        case Code::invalid_image: return "invalid_image";
        case Code::not_found: return "not_found";
        case Code::no_such_domain: return "no_such_domain";
        case Code::name_in_use: return "name_in_use";
        case Code::bad_state: return "bad_state";
        case Code::no_memory: return "no_memory";
        case Code::limit_reached: return "limit_reached";
        case Code::permission_denied: return "permission_denied";
        case Code::unsupported: return "unsupported";
        case Code::io_error: return "io_error";
        case Code::protocol_error: return "protocol_error";
        case Code::version_mismatch: return "version_mismatch";
        case Code::timed_out: return "timed_out";
        case Code::unavailable: return "unavailable";
        case Code::guest_died: return "guest_died";
        case Code::internal: return "internal";
    }
    return "internal";
}

namespace {

Code code_of(int err) {
    switch (err) {
        case ENOMEM: return Code::no_memory;
        case EMFILE:
        case ENFILE:
        case EAGAIN:
        case ENOSPC:
        case EDQUOT: return Code::limit_reached;
        case EACCES:
        case EPERM:
        case EROFS: return Code::permission_denied;
        case ENOENT:
        case ENOTDIR: return Code::not_found;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE: return Code::unavailable;
        case ETIMEDOUT: return Code::timed_out;
        default: return Code::io_error;
    }
}

std::string_view hint_of(int err) {
    switch (err) {
        case EMFILE: return " (RLIMIT_NOFILE of this process, see `ulimit -n`)";
        case ENFILE: return " (the host's fs.file-max)";
        case ENOSPC: return " (the file system is full)";
        default: return "";
    }
}

}  // namespace

Error Error::in(std::string_view where) && {
    return Error{code, sys_errno, std::string(where) + ": " + std::move(message)};
}

Error sys_error(int err, std::string_view what) {
    std::string text(what);
    text += ": ";
    text += std::generic_category().message(err);
    text += hint_of(err);
    return Error{code_of(err), err, std::move(text)};
}

}  // namespace base
