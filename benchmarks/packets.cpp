// SPDX-License-Identifier: Apache-2.0
// bench-packets INTERFACE DESTINATION-MAC SECONDS: sends frames of 60 bytes (64 on a wire) as fast as the kernel takes
// them, from one AF_PACKET socket. The reference of benchmarks/net.
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/fd.hpp"

namespace {

constexpr std::size_t batch = 64;
constexpr std::size_t frame_size = 60;
constexpr std::uint16_t experimental = 0x88b5;  // IEEE 802: local experimental EtherType

bool parse_mac(const char* text, unsigned char* mac) {
    return std::sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) == 6;
}

}  // namespace

int main(int argc, char** argv) {
    std::array<unsigned char, frame_size> frame{};
    const unsigned index = argc == 4 ? if_nametoindex(argv[1]) : 0;
    if (index == 0 || !parse_mac(argv[2], frame.data())) {
        std::fprintf(stderr, "usage: bench-packets INTERFACE DESTINATION-MAC SECONDS\n");
        return 2;
    }
    frame[6] = 0x02;
    frame[11] = 0x01;
    frame[12] = experimental >> 8;
    frame[13] = experimental & 0xff;
    const base::Fd socket_fd(::socket(AF_PACKET, SOCK_RAW, 0));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(index);
    const int bypass = 1;
    if (!socket_fd || ::bind(socket_fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        ::setsockopt(socket_fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) != 0) {
        std::perror("bench-packets");
        return 1;
    }
    iovec piece{frame.data(), frame.size()};
    std::array<mmsghdr, batch> messages{};
    for (auto& message : messages) {
        message.msg_hdr.msg_iov = &piece;
        message.msg_hdr.msg_iovlen = 1;
    }
    unsigned long long sent = 0;
    const auto begin = std::chrono::steady_clock::now();
    const auto end = begin + std::chrono::seconds(std::atoi(argv[3]));
    while (std::chrono::steady_clock::now() < end) {
        const int count = ::sendmmsg(socket_fd.get(), messages.data(), batch, 0);
        if (count < 0 && errno != ENOBUFS && errno != EAGAIN) {
            std::perror("bench-packets: sendmmsg");
            return 1;
        }
        sent += count > 0 ? static_cast<unsigned long long>(count) : 0;
    }
    std::printf("%llu\n", sent);
    return 0;
}
