// SPDX-License-Identifier: Apache-2.0
// Unix SOCK_SEQPACKET: whole messages with descriptors attached. Between the process driver and chaos-hv.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace hypervisor::process {

inline constexpr std::size_t max_message_fds = 3;

/// One received message: how many bytes, and the descriptors that came with it.
struct Packet {
    std::size_t size{0};
    std::array<base::Fd, max_message_fds> fds;
};

/// A listening socket at `path` (an old one there is replaced), mode 0600. The error for a path that is too long says so.
base::Result<base::Fd> listen_seqpacket(const std::string& path);

/// Connects to `path`. Code::unavailable or not_found when nobody listens.
base::Result<base::Fd> connect_seqpacket(const std::string& path);

enum class Wait { yes, no };

/// Sends one message with up to max_message_fds descriptors. Code::unavailable when the peer is gone. With Wait::no and
/// no room: sys_errno is EAGAIN.
base::Result<void> send_packet(int socket, std::span<const std::byte> message, std::span<const int> fds = {},
                               Wait wait = Wait::yes);

/// Receives one message into `buffer`. size 0: the peer closed. With Wait::no and nothing there: sys_errno is EAGAIN.
/// A message that does not fit is a protocol_error.
base::Result<Packet> receive_packet(int socket, std::span<std::byte> buffer, Wait wait);

}  // namespace hypervisor::process
