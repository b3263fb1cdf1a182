// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

// libslirp calls this accept instead of the C library's. To it each client seems to come from this host, and from a port
// that no other client has: libslirp then gives it our own address on the guests' network (otherwise a guest would answer
// a client elsewhere through its gateway, which knows nothing of the connection), and two clients that happen to have
// the same port don't become one.
extern "C" int accept(int listener, sockaddr* address, socklen_t* size) {
    static std::uint16_t next_port = 0;
    const auto room = size != nullptr ? *size : 0;
    const int client = static_cast<int>(::syscall(SYS_accept4, listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (client >= 0 && address != nullptr && room >= sizeof(sockaddr_in)) {
        next_port = std::max<std::uint16_t>(1024, static_cast<std::uint16_t>(next_port + 1));
        auto& name = *reinterpret_cast<sockaddr_in*>(address);
        name = {};
        name.sin_family = AF_INET;
        name.sin_port = htons(next_port);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *size = sizeof name;
    }
    return client;
}
