// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/seqpacket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hypervisor::process {

namespace {

struct Address {
    sockaddr_un un{};
    static base::Result<Address> of(const std::string& path) {
        Address address;
        address.un.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.un.sun_path) {
            return base::fail(base::Code::invalid_argument, path + ": socket path is longer than " +
                                                                std::to_string(sizeof address.un.sun_path - 1) +
                                                                " bytes, the limit of Unix sockets");
        }
        std::memcpy(address.un.sun_path, path.c_str(), path.size() + 1);
        return address;
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&un); }
};

base::Result<base::Fd> make_socket() {
    base::Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) {
        return base::fail_errno(errno, "socket");
    }
    return socket;
}

}  // namespace

base::Result<base::Fd> listen_seqpacket(const std::string& path) {
    BASE_ASSIGN(const auto address, Address::of(path));
    BASE_ASSIGN(auto socket, make_socket());
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return base::fail_errno(errno, path);
    }
    if (::bind(socket.get(), address.get(), sizeof address.un) != 0 || ::chmod(path.c_str(), 0600) != 0 ||
        ::listen(socket.get(), 16) != 0) {
        return base::fail_errno(errno, path);
    }
    return socket;
}

base::Result<base::Fd> connect_seqpacket(const std::string& path) {
    BASE_ASSIGN(const auto address, Address::of(path));
    BASE_ASSIGN(auto socket, make_socket());
    if (::connect(socket.get(), address.get(), sizeof address.un) != 0) {
        return base::fail_errno(errno, path);
    }
    return socket;
}

base::Result<void> send_packet(int socket, std::span<const std::byte> message, std::span<const int> fds, Wait wait) {
    iovec part{const_cast<std::byte*>(message.data()), message.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(max_message_fds * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
    }
    while (::sendmsg(socket, &header, MSG_NOSIGNAL | (wait == Wait::no ? MSG_DONTWAIT : 0)) < 0) {
        if (errno != EINTR) {
            return base::fail_errno(errno, "sending to the peer");
        }
    }
    return {};
}

base::Result<Packet> receive_packet(int socket, std::span<std::byte> buffer, Wait wait) {
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(max_message_fds * sizeof(int))> control;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t size = 0;
    do {
        size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | (wait == Wait::no ? MSG_DONTWAIT : 0));
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        return base::fail_errno(errno, "receiving from the peer");
    }
    Packet packet;
    packet.size = static_cast<std::size_t>(size);
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const auto count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count && i < max_message_fds; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            packet.fds[i].reset(fd);
        }
    }
    if ((header.msg_flags & MSG_CTRUNC) != 0) {
        return base::fail(base::Code::limit_reached,
                          "a descriptor did not arrive: no descriptors left (RLIMIT_NOFILE, see `ulimit -n`)");
    }
    if ((header.msg_flags & MSG_TRUNC) != 0) {
        return base::fail(base::Code::protocol_error, "a message is longer than this version knows");
    }
    return packet;
}

}  // namespace hypervisor::process
