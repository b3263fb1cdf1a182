// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "guest-shims/net/site.hpp"
#include "guest-shims/net/tcp.hpp"

namespace guest {

/// One connection of a server of files: answers its requests one after the other, however they arrive.
class HttpPeer final : public TcpPeer {
 public:
    using Context = const Site;
    HttpPeer(tcp_pcb* pcb, const Site& site) : TcpPeer(pcb), site_(site) {}

    void on_data(pbuf* data) override;
    void on_end() override;
    void on_room() override;
    void on_lost() override;

 private:
    /// `size` bytes: `piece` again and again.
    struct Part {
        std::string_view piece;
        std::size_t size;
    };

    bool send_answer();
    bool next_request();
    void fill_input();
    void begin_answer(const HttpRequest& request);

    static constexpr std::size_t longest_head = 1024;

    const Site& site_;
    pbuf* waiting_{nullptr};  ///< came, and is not in `input_` yet
    bool ended_{false};
    bool last_{false};  ///< the connection ends with this answer
    Part parts_[3]{};
    std::size_t part_{std::size(decltype(parts_){})};
    std::size_t done_{0};  ///< bytes of that part
    std::size_t used_{0};
    char input_[longest_head];
};

}  // namespace guest
