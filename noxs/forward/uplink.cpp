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

constexpr std::size_t type_at = 12, arp_target_at = 38, arp_size = 42;

class ForwardUplink final : public DataPlane::Uplink {
 public:
    ForwardUplink(base::Fd socket, Ipv4 address)
        : socket_(std::move(socket)),
          address_(address),
          // libslirp's own: 52:55 and its address (slirp.c: special_ethaddr)
          mac_{{0x52, 0x55, address.bytes[0], address.bytes[1], address.bytes[2], address.bytes[3]}} {}

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
        if (!is_for_us(frame.bytes)) {
            return true;
        }
        forward::FrameHeader header{frame.checksum_start, frame.checksum_offset};
        std::array<iovec, 2> parts{
            {{&header, sizeof header}, {const_cast<std::byte*>(frame.bytes.data()), frame.bytes.size()}}};
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        const bool good = frame.bytes.size() <= forward::max_frame && !ended_;
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
    /// To our MAC, or a question for it.
    bool is_for_us(std::span<const std::byte> frame) const {
        if (frame.size() < forward::ethernet_header) {
            return false;
        }
        if ((frame[0] & std::byte{1}) == std::byte{0}) {
            return std::memcmp(frame.data(), mac_.bytes.data(), mac_.bytes.size()) == 0;
        }
        return frame.size() >= arp_size && frame[type_at] == std::byte{0x08} && frame[type_at + 1] == std::byte{0x06} &&
               std::memcmp(frame.data() + arp_target_at, address_.bytes.data(), address_.bytes.size()) == 0;
    }

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
    Ipv4 address_;
    Mac mac_;
    bool ended_{false};
    std::array<std::byte, sizeof(forward::FrameHeader) + forward::max_frame> buffer_;
    std::uint64_t to_clients_{0}, from_clients_{0}, dropped_{0}, bad_{0};
};

}  // namespace

std::unique_ptr<DataPlane::Uplink> make_forward_uplink(base::Fd socket, Ipv4 address) {
    forward::widen(socket.get());
    return std::make_unique<ForwardUplink>(std::move(socket), address);
}

}  // namespace noxs
