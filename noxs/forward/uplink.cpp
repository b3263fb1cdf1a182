// SPDX-License-Identifier: Apache-2.0
#include "noxs/forward/uplink.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "noxs/forward/frame_socket.hpp"
#include "noxs/forward/protocol.hpp"

namespace noxs {

namespace {

class ForwardUplink final : public DataPlane::Uplink {
 public:
    explicit ForwardUplink(base::Fd socket) : socket_(std::move(socket)) {}

    int fd() const override { return socket_.get(); }

    std::size_t receive(std::size_t budget, const std::function<void(const Frame&)>& into) override {
        std::size_t done = 0;
        for (; done < budget && !ended_; ++done) {
            const ssize_t size = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
            if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
                break;
            }
            if (size <= 0) {
                end();
                break;
            }
            hand_on(static_cast<std::size_t>(size), into);
        }
        return done;
    }

    bool deliver(const Frame& frame) override {
        forward::FrameHeader header{frame.checksum_start, frame.checksum_offset};
        std::array<iovec, 2> parts{
            {{&header, sizeof header}, {const_cast<std::byte*>(frame.bytes.data()), frame.bytes.size()}}};
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        const bool good =
            frame.bytes.size() >= forward::ethernet_header && frame.bytes.size() <= forward::max_frame && !ended_;
        if (!good || ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            ++dropped_;
            return false;
        }
        ++to_clients_;
        return true;
    }

    void flush() override {}

    Counters counters() const override {
        return {
            {"to_clients", to_clients_}, {"from_clients", from_clients_}, {"dropped", dropped_}, {"bad_frames", bad_}};
    }

 private:
    void hand_on(std::size_t size, const std::function<void(const Frame&)>& into) {
        forward::FrameHeader header{};
        if (size < sizeof header + forward::ethernet_header || size > buffer_.size()) {
            ++bad_;
            return;
        }
        std::memcpy(&header, buffer_.data(), sizeof header);
        if (header.checksum_start != 0) {
            ++bad_;  // chaos-forward's frames are complete
            return;
        }
        ++from_clients_;
        into({std::span(buffer_).subspan(sizeof header, size - sizeof header)});
    }

    /// A socket whose peer is gone stays readable for ever: something that never is takes its number, so that the plane,
    /// which watches it, is left alone until this is unplugged.
    void end() {
        ended_ = true;
        const base::Fd silent(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        ::dup3(silent.get(), socket_.get(), O_CLOEXEC);
    }

    base::Fd socket_;
    bool ended_{false};
    std::array<std::byte, sizeof(forward::FrameHeader) + forward::max_frame> buffer_;
    std::uint64_t to_clients_{0}, from_clients_{0}, dropped_{0}, bad_{0};
};

}  // namespace

std::unique_ptr<DataPlane::Uplink> make_forward_uplink(base::Fd socket) {
    forward::widen(socket.get());
    return std::make_unique<ForwardUplink>(std::move(socket));
}

}  // namespace noxs
