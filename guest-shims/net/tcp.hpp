// SPDX-License-Identifier: Apache-2.0
// TCP servers over lwIP's callback interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>

#include "guest-shims/net/include/net_hooks.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"

namespace guest {

/// One connection that somebody made to this guest. Derived classes need no destructor: the memory is dropped when the
/// connection is closed or lost. What the functions called `on_` do is sent when they return.
class TcpPeer {
 public:
    /// Data came: the callee frees `data`, and says `consumed` when it has room for more.
    virtual void on_data(pbuf* data) = 0;
    /// The other side sends no more.
    virtual void on_end() = 0;
    /// Data was acknowledged: there is more room.
    virtual void on_room() = 0;
    /// The connection is dropped without a word: what on_data kept has to be freed.
    virtual void on_lost() {}

    /// What the connection waits for is over, elsewhere: does as if there were room.
    void kick();

    /// Of a new connection: called once, by TcpServer.
    static err_t begin(TcpPeer& peer);

 protected:
    explicit TcpPeer(tcp_pcb* pcb) : pcb_(pcb) {}
    ~TcpPeer() = default;

    enum class Body : std::uint8_t { copy, stays };
    /// Bytes that can be queued now.
    std::size_t room() const;
    /// Queues a prefix of `text` and returns its length. `stays`: it is not copied and outlives the connection.
    std::size_t send(std::string_view text, Body body);
    void consumed(std::size_t size);
    /// Closes once all that was queued is sent, and forgets the object after the current call.
    void leave() { leaving_ = true; }
    bool leaving() const { return leaving_; }

 private:
    err_t settle();

    static err_t received(void* peer, tcp_pcb* pcb, pbuf* data, err_t error);
    static err_t sent(void* peer, tcp_pcb* pcb, std::uint16_t size);
    static err_t polled(void* peer, tcp_pcb* pcb);
    static void failed(void* peer, err_t error);

    tcp_pcb* pcb_;
    bool leaving_{false};
    std::uint8_t quiet_polls_{0};
};

/// Listens on `port` of every address, and makes a `Peer(pcb, context)` of each connection.
template <class Peer>
class TcpServer {
 public:
    using Context = typename Peer::Context;

    explicit TcpServer(Context& context) : context_(context) {}
    TcpServer(const TcpServer&) = delete;
    TcpServer& operator=(const TcpServer&) = delete;

    /// Returns false where lwIP can't.
    bool listen(std::uint16_t port) {
        tcp_pcb* pcb = tcp_new();
        if (pcb == nullptr || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) {
            return false;
        }
        pcb = tcp_listen(pcb);
        if (pcb == nullptr) {
            return false;
        }
        tcp_arg(pcb, this);
        tcp_accept(pcb, accepted);
        return true;
    }

 private:
    static err_t accepted(void* server, tcp_pcb* pcb, err_t error) {
        void* memory = error == ERR_OK && pcb != nullptr ? net_allocate(sizeof(Peer)) : nullptr;
        if (memory == nullptr) {
            return ERR_MEM;
        }
        return TcpPeer::begin(*new (memory) Peer(pcb, static_cast<TcpServer*>(server)->context_));
    }

    Context& context_;
};

}  // namespace guest
