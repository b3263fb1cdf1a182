// SPDX-License-Identifier: Apache-2.0
#include "noxs/forward/helper/ports.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fd.hpp"

namespace noxs::forward {

namespace {

constexpr std::size_t type_at = 12, arp_sender_at = 28, ipv4_source_at = 26;
constexpr std::size_t arp_size = 42, ipv4_size = 34;

std::uint16_t word_at(std::span<const std::byte> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8 |
                                      std::to_integer<unsigned>(bytes[at + 1]));
}

/// Whose frame it is: the sender of an IPv4 packet or an ARP message.
std::optional<Ipv4> sender(std::span<const std::byte> frame) {
    if (frame.size() < ipv4_size) {
        return std::nullopt;
    }
    const std::uint16_t type = word_at(frame, type_at);
    const std::size_t at = type == 0x0800 ? ipv4_source_at : arp_sender_at;
    if (type != 0x0800 && (type != 0x0806 || frame.size() < arp_size)) {
        return std::nullopt;
    }
    Ipv4 address;
    std::memcpy(address.bytes.data(), frame.data() + at, address.bytes.size());
    return address;
}

/// RFC 1071 over what `header` says, on top of the pseudo-header's sum that stands there.
bool complete(const FrameHeader& header, std::span<std::byte> frame) {
    const std::size_t at = std::size_t{header.checksum_start} + header.checksum_offset;
    if (header.checksum_start < ethernet_header || at + 2 > frame.size()) {
        return false;
    }
    std::uint64_t sum = 0;
    std::size_t i = header.checksum_start;
    for (; i + 1 < frame.size(); i += 2) {
        sum += word_at(frame, i);
    }
    if (i < frame.size()) {
        sum += std::to_integer<unsigned>(frame[i]) << 8;
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    const auto checksum = static_cast<std::uint16_t>(~sum);
    frame[at] = static_cast<std::byte>(checksum >> 8);
    frame[at + 1] = static_cast<std::byte>(checksum & 0xff);
    return true;
}

}  // namespace

// libslirp tells only that it failed, and takes 0 for a port.
int Ports::probe(Port& port) {
    const base::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int reuse = 1;
    sockaddr_in address{};
    socklen_t size = sizeof address;
    address.sin_family = AF_INET;
    address.sin_port = htons(port.host_port);
    std::memcpy(&address.sin_addr, port.listen.data(), port.listen.size());
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) != 0 ||
        ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket.get(), 1) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return errno;
    }
    port.host_port = ntohs(address.sin_port);
    return 0;
}

int Ports::add(Port& port) {
    if (const int error = probe(port); error != 0) {
        return error;
    }
    auto& stack = stacks_[{port.guest}];
    if (!stack) {
        auto made = GuestStack::open(address_, {port.guest}, send_);
        if (!made) {
            stacks_.erase({port.guest});
            return made.error().sys_errno;
        }
        stack = *std::move(made);
    }
    const auto listening = stack->listen({port.listen}, port.host_port, port.guest_port);
    if (listening) {
        ports_.push_back(port);
        return 0;
    }
    if (std::ranges::find(ports_, port.guest, &Port::guest) == ports_.end()) {
        stacks_.erase({port.guest});
    }
    return listening.error().sys_errno;
}

int Ports::remove(const Port& port) {
    const auto found = std::ranges::find_if(
        ports_, [&](const Port& one) { return one.listen == port.listen && one.host_port == port.host_port; });
    if (found == ports_.end()) {
        return ENOENT;
    }
    const auto guest = found->guest;
    stacks_[{guest}]->close({found->listen}, found->host_port);
    ports_.erase(found);
    if (std::ranges::find(ports_, guest, &Port::guest) == ports_.end()) {
        stacks_.erase({guest});
    }
    return 0;
}

std::optional<Port> Ports::at(std::size_t index) const {
    return index < ports_.size() ? std::optional(ports_[index]) : std::nullopt;
}

void Ports::input(const FrameHeader& header, std::span<std::byte> frame) {
    const auto guest = sender(frame);
    const auto stack = guest ? stacks_.find(*guest) : stacks_.end();
    if (stack != stacks_.end() && (header.checksum_start == 0 || complete(header, frame))) {
        stack->second->input(frame);
    }
}

void Ports::fill(std::vector<pollfd>& polls, std::uint32_t& timeout_ms) {
    for (const auto& [guest, stack] : stacks_) {
        stack->fill(polls, timeout_ms);
    }
}

void Ports::work(const std::vector<pollfd>& polls, bool failed) {
    for (const auto& [guest, stack] : stacks_) {
        stack->work(polls, failed);
    }
}

}  // namespace noxs::forward
