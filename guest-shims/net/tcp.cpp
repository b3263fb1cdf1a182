// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/tcp.hpp"

#include "lwip/priv/tcp_priv.h"

namespace guest {

namespace {

/// How often a quiet connection is looked at (5 s), and how often that may happen before it is closed.
constexpr std::uint8_t poll_interval = 5000 / TCP_SLOW_INTERVAL;
constexpr std::uint8_t max_quiet_polls = 12;

}  // namespace

err_t TcpPeer::begin(TcpPeer& peer) {
    tcp_pcb* const pcb = peer.pcb_;
    tcp_arg(pcb, &peer);
    tcp_recv(pcb, received);
    tcp_sent(pcb, sent);
    tcp_err(pcb, failed);
    tcp_poll(pcb, polled, poll_interval);
    tcp_nagle_disable(pcb);  // answers are queued whole
    peer.on_room();
    return peer.settle();
}

std::size_t TcpPeer::room() const {
    // A write takes at most three pbufs a segment; lwIP refuses one that the queue has no room for.
    return tcp_sndqueuelen(pcb_) + 8 < TCP_SND_QUEUELEN ? tcp_sndbuf(pcb_) : 0;
}

std::size_t TcpPeer::send(std::string_view text, Body body) {
    // In pieces that a short queue can take too.
    constexpr std::size_t piece = 2 * TCP_MSS;
    std::size_t done = 0;
    while (done < text.size()) {
        std::size_t size = text.size() - done;
        size = size < piece ? size : piece;
        size = size < room() ? size : room();
        const std::uint8_t copy = body == Body::copy ? TCP_WRITE_FLAG_COPY : 0;
        if (size == 0 || tcp_write(pcb_, text.data() + done, static_cast<std::uint16_t>(size),
                                   copy | TCP_WRITE_FLAG_MORE) != ERR_OK) {
            break;
        }
        done += size;
    }
    return done;
}

void TcpPeer::consumed(std::size_t size) {
    tcp_recved(pcb_, static_cast<std::uint16_t>(size));
}

/// After each call of the derived class.
err_t TcpPeer::settle() {
    if (!leaving_) {
        return ERR_OK;
    }
    tcp_pcb* const pcb = pcb_;
    tcp_arg(pcb, nullptr);
    tcp_recv(pcb, nullptr);
    tcp_sent(pcb, nullptr);
    tcp_err(pcb, nullptr);
    tcp_poll(pcb, nullptr, 0);
    on_lost();
    net_release(this);
    if (tcp_close(pcb) == ERR_OK) {
        return ERR_OK;
    }
    tcp_abort(pcb);
    return ERR_ABRT;
}

void TcpPeer::kick() {
    tcp_pcb* const pcb = pcb_;
    on_room();
    const bool left = leaving_;
    settle();
    if (!left) {
        tcp_output(pcb);
    }
}

err_t TcpPeer::received(void* peer, tcp_pcb* pcb, pbuf* data, err_t error) {
    static_cast<void>(pcb), static_cast<void>(error);
    auto& self = *static_cast<TcpPeer*>(peer);
    self.quiet_polls_ = 0;
    if (data == nullptr) {
        self.on_end();
    } else {
        self.on_data(data);
    }
    return self.settle();
}

err_t TcpPeer::sent(void* peer, tcp_pcb* pcb, std::uint16_t size) {
    static_cast<void>(pcb), static_cast<void>(size);
    auto& self = *static_cast<TcpPeer*>(peer);
    self.quiet_polls_ = 0;
    self.on_room();
    return self.settle();
}

err_t TcpPeer::polled(void* peer, tcp_pcb* pcb) {
    static_cast<void>(pcb);
    auto& self = *static_cast<TcpPeer*>(peer);
    self.on_room();
    if (++self.quiet_polls_ > max_quiet_polls) {
        self.leave();
    }
    return self.settle();
}

/// lwIP has dropped the connection already.
void TcpPeer::failed(void* peer, err_t error) {
    static_cast<void>(error);
    if (peer != nullptr) {
        static_cast<TcpPeer*>(peer)->on_lost();
        net_release(peer);
    }
}

}  // namespace guest
