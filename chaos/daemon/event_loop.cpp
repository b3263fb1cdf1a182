// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/event_loop.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

namespace chaos {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

class AsioWatch final : public Watch {
 public:
    AsioWatch(asio::io_context& context, int fd) : descriptor_(context, fd) {}
    ~AsioWatch() override {
        *alive_ = false;
        descriptor_.release();  // the descriptor belongs to somebody else
    }
    AsioWatch(const AsioWatch&) = delete;
    AsioWatch& operator=(const AsioWatch&) = delete;

    void when_readable(std::function<void()> handler) override {
        wait(asio::posix::stream_descriptor::wait_read, std::move(handler));
    }
    void when_writable(std::function<void()> handler) override {
        wait(asio::posix::stream_descriptor::wait_write, std::move(handler));
    }
    void when_hung_up(std::function<void()> handler) override {
        wait(asio::posix::stream_descriptor::wait_error, std::move(handler));
    }

 private:
    void wait(asio::posix::stream_descriptor::wait_type type, std::function<void()> handler) {
        descriptor_.async_wait(type, [alive = alive_, handler = std::move(handler)](const error_code& error) {
            // A completion that was queued before the watch went must not reach its owner.
            if (!error && *alive) {
                handler();
            }
        });
    }

    asio::posix::stream_descriptor descriptor_;
    std::shared_ptr<bool> alive_{std::make_shared<bool>(true)};
};

class AsioTimer final : public Timer {
 public:
    AsioTimer(asio::io_context& context, std::function<void()> handler)
        : timer_(context), handler_(std::make_shared<std::function<void()>>(std::move(handler))) {}
    ~AsioTimer() override { *handler_ = nullptr; }
    AsioTimer(const AsioTimer&) = delete;
    AsioTimer& operator=(const AsioTimer&) = delete;

    void arm(Clock::time_point when) override {
        timer_.expires_at(when);
        timer_.async_wait([handler = handler_](const error_code& error) {
            if (!error && *handler) {
                (*handler)();
            }
        });
    }

 private:
    asio::steady_timer timer_;
    std::shared_ptr<std::function<void()>> handler_;
};

class AsioLoop final : public EventLoop {
 public:
    base::Result<std::unique_ptr<Watch>> watch(int fd) override {
        try {
            return std::make_unique<AsioWatch>(context_, fd);
        } catch (const boost::system::system_error& error) {
            return base::fail_errno(error.code().value(), "watch a descriptor");
        }
    }
    std::unique_ptr<Timer> timer(std::function<void()> handler) override {
        return std::make_unique<AsioTimer>(context_, std::move(handler));
    }
    void post(std::function<void()> work) override { asio::post(context_, std::move(work)); }
    void run() override {
        const auto work = asio::make_work_guard(context_);
        context_.run();
    }
    void stop() override { context_.stop(); }

 private:
    asio::io_context context_{1};  // one thread
};

}  // namespace

base::Result<std::unique_ptr<EventLoop>> EventLoop::open() {
    try {
        return std::make_unique<AsioLoop>();
    } catch (const boost::system::system_error& error) {
        return base::fail_errno(error.code().value(), "event loop");
    }
}

}  // namespace chaos
