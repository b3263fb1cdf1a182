// SPDX-License-Identifier: Apache-2.0
// Tells the time on TCP port 13 (RFC 867), as the guests of LightVM's measurements did.
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/net/calendar.hpp"
#include "guest-shims/net/network.hpp"
#include "guest-shims/net/tcp.hpp"

namespace guest {

namespace {

constexpr std::uint16_t daytime_port = 13;
constexpr Vif::Pools pools{.rx = 32, .tx = 32};

class Daytime final : public TcpPeer {
 public:
    using Context = System;
    Daytime(tcp_pcb* pcb, System& system) : TcpPeer(pcb), system_(system) {}

    void on_data(pbuf* data) override {
        consumed(data->tot_len);
        pbuf_free(data);
    }
    void on_end() override {}
    void on_room() override {
        char space[64];
        TextBuffer text(space);
        put_time(text, system_.platform().wall_clock());
        text.put("\r\n");
        if (send(text.text(), Body::copy) == text.text().size()) {
            leave();
        }
    }

 private:
    System& system_;
};

}  // namespace

std::int32_t run(System& system) {
    Network network(system, pools);
    TcpServer<Daytime> server(system);
    if (!server.listen(daytime_port)) {
        system.panic("no memory to listen");
    }
    system.ready();
    for (;;) {
        system.wait();
    }
}

}  // namespace guest
