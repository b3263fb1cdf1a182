// SPDX-License-Identifier: Apache-2.0
#include "noxs/uplink/tap.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/scope_guard.hpp"
#include "noxs/uplink/host_link.hpp"
#include "noxs/uplink/nat.hpp"

namespace noxs {

namespace {

constexpr std::size_t ethernet_header = 14;
/// The largest MTU of a tap device and what Ethernet and a VLAN tag put in front.
constexpr std::size_t max_frame = 65535 + ethernet_header + 4;

/// struct virtio_net_hdr (linux/virtio_net.h, which is no C++): in front of each frame, in the host's byte order.
struct VnetHeader {
    std::uint8_t flags;             //  0
    std::uint8_t gso_type;          //  1  0: none
    std::uint16_t header_length;    //  2
    std::uint16_t gso_size;         //  4
    std::uint16_t checksum_start;   //  6
    std::uint16_t checksum_offset;  //  8
};
static_assert(sizeof(VnetHeader) == 10);
constexpr std::uint8_t needs_checksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr std::size_t vnet_header = sizeof(VnetHeader);

bool checksum_inside(std::size_t size, std::size_t start, std::size_t offset) {
    return start >= ethernet_header && start + offset + 2 <= size;
}

class Tap final : public DataPlane::Uplink {
 public:
    explicit Tap(base::Fd device) : device_(std::move(device)) {}

    int fd() const override { return device_.get(); }

    std::size_t receive(std::size_t budget, const std::function<void(const Frame&)>& into) override {
        std::size_t done = 0;
        for (; done < budget; ++done) {
            const ssize_t size = ::read(device_.get(), buffer_.data(), buffer_.size());
            if (size < 0) {
                break;  // nothing more, or a link that is down for now
            }
            hand_on(static_cast<std::size_t>(size), into);
        }
        return done;
    }

    bool deliver(const Frame& frame) override {
        VnetHeader header{};
        const bool good = frame.bytes.size() >= ethernet_header && frame.bytes.size() <= max_frame;
        if (good && frame.checksum_start != 0) {
            header.flags = needs_checksum;
            header.checksum_start = frame.checksum_start;
            header.checksum_offset = frame.checksum_offset;
        }
        const std::array<iovec, 2> parts{
            {{&header, sizeof header}, {const_cast<std::byte*>(frame.bytes.data()), frame.bytes.size()}}};
        if (!good || ::writev(device_.get(), parts.data(), parts.size()) < 0) {
            ++dropped_;  // like a wire: whoever sent it sends it again
            return false;
        }
        ++to_host_;
        return true;
    }

    void flush() override {}

    Counters counters() const override {
        return {{"to_host", to_host_}, {"from_host", from_host_}, {"dropped", dropped_}, {"bad_frames", bad_}};
    }

 private:
    void hand_on(std::size_t size, const std::function<void(const Frame&)>& into) {
        VnetHeader header{};
        Frame frame;
        bool good = size >= vnet_header + ethernet_header;
        if (good) {
            std::memcpy(&header, buffer_.data(), sizeof header);
            frame.bytes = std::span(buffer_).subspan(vnet_header, size - vnet_header);
            good = header.gso_type == 0;
        }
        if (good && (header.flags & needs_checksum) != 0) {
            frame.checksum_start = header.checksum_start;
            frame.checksum_offset = header.checksum_offset;
            good = checksum_inside(frame.bytes.size(), header.checksum_start, header.checksum_offset);
        }
        if (!good) {
            ++bad_;
            return;
        }
        ++from_host_;
        into(frame);
    }

    base::Fd device_;
    std::array<std::byte, vnet_header + max_frame> buffer_;
    std::uint64_t to_host_{0}, from_host_{0}, dropped_{0}, bad_{0};
};

std::string quoted(const std::string& name) {
    return "the tap device '" + name + "'";
}

/// What a refusal means to somebody who is not root.
std::unexpected<base::Error> explain(base::Error error, const std::string& name) {
    if (error.code == base::Code::permission_denied) {
        error.message = "no privilege to make " + quoted(name) +
                        " (needs CAP_NET_ADMIN): run chaosd as root, or leave the uplink out: guests still reach each "
                        "other, and `chaos forward` publishes ports";
    }
    return std::unexpected(std::move(error));
}

Result<base::Fd> attach(const std::string& name) {
    base::Fd device(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!device) {
        const int err = errno;
        if (err == ENOENT || err == ENODEV || err == ENXIO) {
            return base::fail(base::Code::unsupported,
                              "no tap devices on this host (no /dev/net/tun; `modprobe tun` loads them)");
        }
        return explain(base::sys_error(err, "/dev/net/tun"), name);
    }
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(device.get(), TUNSETIFF, &request) != 0) {
        const int err = errno;
        if (err == EBUSY || err == EINVAL) {
            return base::fail(base::Code::name_in_use, quoted(name) + " is in use by another process");
        }
        return explain(base::sys_error(err, quoted(name)), name);
    }
    int header_size = vnet_header;
    if (::ioctl(device.get(), TUNSETVNETHDRSZ, &header_size) != 0 ||
        ::ioctl(device.get(), TUNSETOFFLOAD, TUN_F_CSUM) != 0) {
        return base::fail_errno(errno, quoted(name));
    }
    return device;
}

}  // namespace

Result<std::unique_ptr<DataPlane::Uplink>> open_tap(const TapSettings& settings) {
    BASE_ASSIGN(auto links, HostLinks::open());
    BASE_ASSIGN(const auto owner, links.owner(settings.name));
    if (owner == LinkOwner::others) {
        return base::fail(base::Code::name_in_use, "a network device named '" + settings.name +
                                                       "' exists already, and is not chaosd's; expected another name");
    }
    BASE_ASSIGN(auto device, attach(settings.name));
    // Not persistent yet: an error takes a device that is new away with its descriptor.
    if (owner == LinkOwner::nobody) {
        if (auto claimed = links.claim(settings.name); !claimed) {
            return explain(std::move(claimed).error(), settings.name);
        }
    }
    if (auto up = links.set_up(settings); !up) {
        return explain(std::move(up).error(), settings.name);
    }
    if (settings.nat) {
        if (auto nat = add_nat(settings.name, settings.address); !nat) {
            return explain(std::move(nat).error(), settings.name);
        }
    }
    if (::ioctl(device.get(), TUNSETPERSIST, 1) != 0) {
        return base::fail_errno(errno, quoted(settings.name));
    }
    return std::make_unique<Tap>(std::move(device));
}

Result<void> remove_tap(const std::string& name) {
    BASE_ASSIGN(auto links, HostLinks::open());
    BASE_ASSIGN(const auto owner, links.owner(name));
    if (owner != LinkOwner::us) {
        return {};
    }
    // A kernel without nf_tables has nothing to remove either.
    static_cast<void>(remove_nat(name));
    return links.remove(name);
}

}  // namespace noxs
