// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "hypervisor/process/hv_protocol.hpp"

namespace hypervisor::process {

/// A domain as chaos-hv hands it over.
struct DomainHandles {
    Reply record{};
    base::Fd memory;
    base::Fd doorbell;
    base::Fd data_doorbell;  ///< none: the guest rings `doorbell` for its data lane too
};

/// One connection to chaos-hv. Calls from different threads wait for each other.
class HvClient {
 public:
    /// Connects to chaos-hv at `socket_path`, checks its version, and that it makes domains of that kind here. `hello`:
    /// what it said of itself.
    static base::Result<HvClient> connect(const std::string& socket_path, Kind kind, Reply& hello);

    /// Starts the program `helper` to listen at `socket_path`, detached from this process, and waits until it does.
    /// Its messages go to the end of `log_path`.
    static base::Result<void> start(const std::string& helper, const std::string& socket_path,
                                    const std::string& log_path);

    HvClient(HvClient&& other) noexcept : socket_(std::move(other.socket_)) {}
    HvClient& operator=(HvClient&&) = delete;
    ~HvClient() = default;

    /// One request, its one reply. An error that chaos-hv reports becomes this call's error.
    base::Result<DomainHandles> call(const Request& request);

    /// The same, or nothing when another thread is in a call.
    std::optional<base::Result<DomainHandles>> try_call(const Request& request);

    /// Sends `request` without waiting; the replies are read from `fd` by `receive`.
    base::Result<void> send(const Request& request);
    /// The next message; sys_errno EAGAIN when there is none and `blocking` is false.
    base::Result<DomainHandles> receive(bool blocking);

    int fd() const { return socket_.get(); }

 private:
    explicit HvClient(base::Fd socket) : socket_(std::move(socket)) {}

    base::Fd socket_;
    std::mutex calls_;
};

}  // namespace hypervisor::process
