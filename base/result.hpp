// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace base {

/// Stable reasons for a failure. Their names (`code_name`) are part of the API: never rename one, only add.
enum class Code : std::uint8_t {
    invalid_argument,   ///< a call or command line that makes no sense
    invalid_config,     ///< a configuration document is wrong; the message names file, line, column and path
    invalid_image,      ///< a guest image is not one, is damaged, or does not fit its domain
    not_found,          ///< a file or another named thing does not exist
    no_such_domain,     ///< no domain has this id or name
    name_in_use,        ///< a domain of this name exists
    bad_state,          ///< the domain (or object) is not in a state that allows the operation
    no_memory,          ///< the host has no memory for it
    limit_reached,      ///< a limit of the host or of the configuration stops it; the message names the limit
    permission_denied,  ///< the caller may not do that
    unsupported,        ///< this driver, build or host can't do that
    io_error,           ///< a system call failed
    protocol_error,     ///< a peer (guest, client, chaos-hv) broke the protocol
    version_mismatch,   ///< a peer of another version
    timed_out,          ///< a deadline passed
    unavailable,        ///< a peer is not there: no daemon, no chaos-hv, connection lost
    guest_died,         ///< the guest ended before the operation could complete
    internal,           ///< our own bug
};

/// The stable name of `code`, for the API and for logs ("name_in_use").
std::string_view code_name(Code code) noexcept;

/// What went wrong: a stable code, the errno where there is one (else 0), and the context in words.
struct Error {
    Code code{Code::internal};
    int sys_errno{0};
    std::string message;

    /// The same error with "`where`: " put in front of the message.
    Error in(std::string_view where) &&;
};

/// An error for a failed system call: picks the code from `err` (ENOMEM: no_memory, EMFILE: limit_reached ...) and
/// writes "`what`: strerror(err)". Call it with `errno` directly after the failure.
Error sys_error(int err, std::string_view what);

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail(Code::x, "...")` from any function that returns a Result.
inline std::unexpected<Error> fail(Code code, std::string message) {
    return std::unexpected<Error>(Error{code, 0, std::move(message)});
}
inline std::unexpected<Error> fail(Error error) {
    return std::unexpected<Error>(std::move(error));
}
inline std::unexpected<Error> fail_errno(int err, std::string_view what) {
    return std::unexpected<Error>(sys_error(err, what));
}

}  // namespace base

#define BASE_CONCAT_(a, b) a##b
#define BASE_CONCAT(a, b) BASE_CONCAT_(a, b)

/// Evaluates a Result; on error returns it from the enclosing function.
#define BASE_TRY(expr)                                            \
    do {                                                          \
        if (auto&& base_try_ = (expr); !base_try_) {              \
            return std::unexpected(std::move(base_try_).error()); \
        }                                                         \
    } while (false)

/// `BASE_ASSIGN(auto fd, open_it());` binds the value, or returns the error from the enclosing function.
#define BASE_ASSIGN(decl, expr) BASE_ASSIGN_(decl, expr, BASE_CONCAT(base_assign_, __LINE__))
#define BASE_ASSIGN_(decl, expr, tmp)                   \
    auto tmp = (expr);                                  \
    if (!tmp) {                                         \
        return std::unexpected(std::move(tmp).error()); \
    }                                                   \
    decl = *std::move(tmp)
