// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "benchmarks/support/client.hpp"

namespace bench {

/// A chaosd of our own in a folder of its own, built beside this program. Its end takes domains, chaos-hv and folder
/// along.
class PrivateDaemon {
 public:
    /// `options` go to chaosd.
    static base::Result<PrivateDaemon> start(const std::vector<std::string>& options = {});
    PrivateDaemon(PrivateDaemon&& other) noexcept;
    PrivateDaemon& operator=(PrivateDaemon&&) = delete;
    ~PrivateDaemon();

    const std::string& socket_path() const { return socket_; }
    base::Result<Client> connect() const { return Client::connect(socket_); }
    /// The folder of the build: bin/, guests/.
    const std::string& build_dir() const { return build_; }
    const std::string& runtime_dir() const { return runtime_; }
    /// "{...}" of a vm.json without a name for the guest `guest` of 4 MiB.
    std::string config_of(const std::string& guest) const;

    /// The name of the hypervisor driver that it uses.
    const std::string& driver() const { return driver_; }
    pid_t chaosd() const { return pid_; }
    /// chaos-hv, 0 when there is none.
    pid_t owner() const { return owner_; }

    /// Sets floor and ceiling of the 4 MiB flavour.
    base::Result<void> set_pool(Client& client, unsigned floor, unsigned ceiling) const;
    /// Waits until the 4 MiB flavour holds at least `shells`, asking at this interval.
    base::Result<void> await_shells(Client& client, unsigned shells,
                                    std::chrono::microseconds interval = std::chrono::microseconds(500)) const;
    /// Waits until that flavour needs no refill.
    base::Result<void> await_full_pool(Client& client) const;

 private:
    PrivateDaemon() = default;
    std::string build_, runtime_, socket_, driver_;
    pid_t pid_{0};
    pid_t owner_{0};
};

/// Destroys the domain.
base::Result<void> destroy(Client& client, double id);

}  // namespace bench
