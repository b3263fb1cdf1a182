// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "chaos/daemon/service.hpp"

namespace chaos {

namespace {
constexpr std::size_t read_bytes_per_turn = 32 << 10;
constexpr int requests_per_turn = 16;
}  // namespace

Connection::Connection(Service& service, EventLoop& loop, const Limits& limits, base::Fd socket,
                       std::unique_ptr<Watch> watch, std::function<void(Connection&)> gone)
    : service_(service),
      loop_(loop),
      request_limit_(limits.request.value),
      socket_(std::move(socket)),
      watch_(std::move(watch)),
      gone_(std::move(gone)),
      input_(limits.request.value),
      output_(limits.replies.value, limits.notifications.value) {
    service_.connected(*this);
}

Connection::~Connection() {
    *alive_ = false;
    service_.disconnected(*this);
}

void Connection::start() {
    watch_->when_readable([this] { on_readable(); });
}

void Connection::on_readable() {
    if (doomed_) {
        return;
    }
    received_ = Clock::now();
    char buffer[read_bytes_per_turn];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got == 0) {
        end_of_input();
        return;
    }
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            start();
        } else {
            doom();
        }
        return;
    }
    input_.append({buffer, static_cast<std::size_t>(got)});
    serve();
}

// A peer that only said its last word may still want the answer.
void Connection::end_of_input() {
    pollfd state{socket_.get(), 0, 0};
    if (::poll(&state, 1, 0) != 0) {
        doom();
    } else {
        watch_->when_hung_up([this] { doom(); });
    }
}

void Connection::serve() {
    if (serving_) {
        return;  // a reply that made room called us from within a request
    }
    serving_ = true;
    for (int served = 0; !doomed_ && !refused_; ++served) {
        if (output_.congested()) {
            stalled_ = true;
            break;
        }
        if (served == requests_per_turn) {
            loop_.post([this, alive = alive_] {
                if (*alive) {
                    serve();
                }
            });
            break;
        }
        const auto line = input_.next();
        if (line) {
            if (!line->empty()) {
                service_.handle_line(*this, *line, received_);
            }
        } else if (input_.too_long()) {
            std::string reply;
            rpc::append_error(reply, rpc::line_too_long(request_limit_));
            refused_ = true;
            send(reply, rpc::Kind::reply);
        } else {
            start();
            break;
        }
    }
    serving_ = false;
    if (refused_ && output_.empty()) {
        doom();
    }
}

void Connection::send(std::string_view lines, rpc::Kind kind) {
    if (doomed_) {
        return;
    }
    if (output_.empty()) {
        const ssize_t sent = ::send(socket_.get(), lines.data(), lines.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            doom();
            return;
        }
        lines.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : 0);
        if (lines.empty()) {
            return;
        }
    }
    output_.push(lines, kind);
    if (output_.overflowed()) {
        base::log(base::Level::warn, "a client does not read its notifications; closing its connection");
        doom();
        return;
    }
    if (!waits_for_writable_) {
        waits_for_writable_ = true;
        watch_->when_writable([this] { on_writable(); });
    }
}

void Connection::on_writable() {
    waits_for_writable_ = false;
    if (doomed_) {
        return;
    }
    flush();
    if (doomed_) {
        return;
    }
    if (!output_.empty()) {
        waits_for_writable_ = true;
        watch_->when_writable([this] { on_writable(); });
    } else if (refused_) {
        doom();
        return;
    }
    if (stalled_ && !output_.congested()) {
        stalled_ = false;
        serve();
    }
}

void Connection::flush() {
    while (!output_.empty()) {
        const std::string_view front = output_.front();
        const ssize_t sent = ::send(socket_.get(), front.data(), front.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                doom();
            }
            return;
        }
        output_.consume(static_cast<std::size_t>(sent));
    }
}

// The object goes in a turn of its own: whoever is calling it now may still use it.
void Connection::doom() {
    if (!std::exchange(doomed_, true)) {
        loop_.post([this, alive = alive_] {
            if (*alive) {
                gone_(*this);
            }
        });
    }
}

}  // namespace chaos
