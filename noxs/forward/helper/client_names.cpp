// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bitset>
#include <cerrno>
#include <cstdint>
#include <vector>

// libslirp calls this accept and this close instead of the C library's. To it each client seems to come from this host,
// and from a port that no other client has: libslirp then gives it our own address on the guests' network (otherwise a
// guest would answer a client elsewhere through its gateway, which knows nothing of the connection), and two clients that
// happen to have the same port don't become one.

namespace {

/// The ports that clients seem to have, by descriptor. One thread.
class ClientPorts {
 public:
    /// 0: all are in use.
    std::uint16_t take(int client) {
        const auto index = static_cast<std::size_t>(client);
        for (std::uint32_t tried = first; tried < used_.size(); ++tried) {
            next_ = next_ + 1 < used_.size() ? next_ + 1 : first;
            if (!used_[next_]) {
                used_.set(next_);
                if (of_.size() <= index) {
                    of_.resize(index + 1);
                }
                of_[index] = static_cast<std::uint16_t>(next_);
                return of_[index];
            }
        }
        return 0;
    }
    void give_back(int client) {
        const auto index = static_cast<std::size_t>(client);
        if (client >= 0 && index < of_.size() && of_[index] != 0) {
            used_.reset(of_[index]);
            of_[index] = 0;
        }
    }

 private:
    static constexpr std::uint32_t first = 1024;
    std::bitset<65536> used_;
    std::vector<std::uint16_t> of_;
    std::uint32_t next_{first};
};

ClientPorts& client_ports() {
    static ClientPorts& ports = *new ClientPorts;  // never destroyed: descriptors are closed until the very end
    return ports;
}

}  // namespace

extern "C" int close(int descriptor) {
    client_ports().give_back(descriptor);
    return static_cast<int>(::syscall(SYS_close, descriptor));
}

extern "C" int accept(int listener, sockaddr* address, socklen_t* size) {
    const int client = static_cast<int>(::syscall(SYS_accept4, listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (client < 0 || address == nullptr || size == nullptr || *size < sizeof(sockaddr_in)) {
        return client;
    }
    const std::uint16_t port = client_ports().take(client);
    if (port == 0) {
        ::close(client);
        errno = EMFILE;
        return -1;
    }
    auto& name = *reinterpret_cast<sockaddr_in*>(address);
    name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *size = sizeof name;
    return client;
}
