// SPDX-License-Identifier: Apache-2.0
// Echoes the lines of its console; the line "exit" powers it off. With a vif also what comes to port 7, by UDP and TCP
// (RFC 862).
#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/net/network.hpp"
#include "guest-shims/net/tcp.hpp"
#include "lwip/udp.h"

namespace guest {

namespace {

constexpr std::uint16_t echo_port = 7;
constexpr Vif::Pools pools{.rx = 64, .tx = 64};

class Echo final : public TcpPeer {
 public:
    using Context = System;
    Echo(tcp_pcb* pcb, System&) : TcpPeer(pcb) {}

    void on_data(pbuf* data) override {
        if (waiting_ == nullptr) {
            waiting_ = data;
        } else {
            pbuf_cat(waiting_, data);
        }
        on_room();
    }
    void on_end() override {
        ended_ = true;
        on_room();
    }
    void on_room() override {
        while (waiting_ != nullptr) {
            const std::size_t size = send({static_cast<const char*>(waiting_->payload), waiting_->len}, Body::copy);
            consumed(size);
            // Frees the parts that are empty.
            waiting_ = pbuf_free_header(waiting_, static_cast<std::uint16_t>(size));
            if (size == 0) {
                return;
            }
        }
        if (ended_) {
            leave();
        }
    }
    void on_lost() override {
        if (waiting_ != nullptr) {
            pbuf_free(waiting_);
        }
    }

 private:
    pbuf* waiting_{nullptr};  ///< came, and is not sent back yet
    bool ended_{false};
};

void echo_datagram(void*, udp_pcb* pcb, pbuf* data, const ip_addr_t* from, std::uint16_t port) {
    udp_sendto(pcb, data, from, port);
    pbuf_free(data);
}

void serve(System& system, TcpServer<Echo>& server) {
    udp_pcb* udp = udp_new();
    if (!server.listen(echo_port) || udp == nullptr || udp_bind(udp, IP_ADDR_ANY, echo_port) != ERR_OK) {
        system.panic("no memory to listen");
    }
    udp_recv(udp, echo_datagram, nullptr);
}

}  // namespace

std::int32_t run(System& system) {
    Console console(system);
    Network network(system, pools);
    TcpServer<Echo> server(system);
    serve(system, server);
    system.ready();
    char space[256];
    for (;;) {
        const std::string_view line = console.read_line(space);
        if (line == "exit") {
            return 0;
        }
        console.print("{}\n", line);
    }
}

}  // namespace guest
