// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/frontends/vif.hpp"

#include <algorithm>
#include <new>

#include "guest-shims/frontends/control.hpp"

namespace guest {

namespace wire = noxs::wire;

namespace {

constexpr std::uint64_t wanted_features = static_cast<std::uint64_t>(wire::VifFeature::tx_checksum) |
                                          static_cast<std::uint64_t>(wire::VifFeature::rx_checksum);
constexpr std::size_t tx_buffers_a_page = wire::page_size / Vif::tx_buffer_size;

constexpr std::uint32_t clamp(std::uint32_t count) {
    return count < 1 ? 1 : count > Vif::max_buffers ? Vif::max_buffers : count;
}

template <class T>
std::span<T> make_array(System& system, std::size_t count) {
    auto* memory = static_cast<T*>(system.allocate(count * sizeof(T)));
    for (std::size_t i = 0; i < count; ++i) {
        new (memory + i) T{};
    }
    return {memory, count};
}

bool is_leaving(wire::State backend) {
    return backend == wire::State::closing || backend == wire::State::closed;
}

VifAddress address_of(const wire::VifControl& control) {
    VifAddress address{};
    for (std::size_t i = 0; i < sizeof address.mac; ++i) {
        address.mac[i] = load_relaxed(control.mac[i]);
    }
    for (std::size_t i = 0; i < sizeof address.ipv4; ++i) {
        address.ipv4[i] = load_relaxed(control.ipv4[i]);
        address.gateway[i] = load_relaxed(control.ipv4_gateway[i]);
    }
    const std::uint16_t mtu = load_relaxed(control.mtu);
    address.mtu = mtu < Vif::max_mtu ? mtu : Vif::max_mtu;
    const std::uint8_t prefix = load_relaxed(control.ipv4_prefix);
    address.prefix = prefix <= 32 ? prefix : 32;
    return address;
}

}  // namespace

Vif::Vif(System& system, Pools pools, const Vif* other)
    : system_(system),
      other_(other),
      pools_{clamp(pools.rx), clamp(pools.tx)},
      grants_(system.platform().grant_table()) {
    follow();
}

/// Two pages of rings, then the buffers. Nothing is touched but the arrays: a buffer costs memory when it is used.
void Vif::allocate() {
    const std::size_t tx_pages = (pools_.tx + tx_buffers_a_page - 1) / tx_buffers_a_page;
    const std::size_t pages = 2 + pools_.rx + tx_pages;
    rx_ = make_array<RxBuffer>(system_, pools_.rx);
    tx_ = make_array<TxBuffer>(system_, tx_pages * tx_buffers_a_page);
    tx_free_ = make_array<std::uint32_t>(system_, tx_.size());
    auto at = reinterpret_cast<std::uintptr_t>(system_.allocate((pages + 1) * wire::page_size));
    auto* page = reinterpret_cast<std::byte*>((at + wire::page_size - 1) & ~(wire::page_size - 1));
    tx_page_ = reinterpret_cast<wire::TxRing*>(page);
    rx_page_ = reinterpret_cast<wire::RxRing*>(page + wire::page_size);
    page += 2 * wire::page_size;
    for (auto& buffer : tx_) {
        buffer.bytes = page;
        page += tx_buffer_size;
    }
    for (auto& buffer : rx_) {
        buffer.page = page;
        page += wire::page_size;
    }
}

/// Returns false where the table has no room for one buffer each way.
bool Vif::grant(base::DomId backend) {
    tx_page_ref_ = grants_.grant(tx_page_, backend);
    rx_page_ref_ = grants_.grant(rx_page_, backend);
    std::size_t sent = 0;
    std::size_t received = 0;
    for (; sent < tx_.size(); sent += tx_buffers_a_page) {
        const auto ref = grants_.grant(tx_[sent].bytes, backend, GrantAccess::read_only);
        if (!ref) {
            break;
        }
        for (std::size_t i = 0; i < tx_buffers_a_page; ++i) {
            tx_[sent + i].ref = *ref;
        }
    }
    for (; received < rx_.size(); ++received) {
        const auto ref = grants_.grant(rx_[received].page, backend);
        if (!ref) {
            break;
        }
        rx_[received].ref = *ref;
    }
    tx_ = tx_.first(sent);
    rx_ = rx_.first(received);
    return tx_page_ref_ && rx_page_ref_ && sent > 0 && received > 0;
}

void Vif::look_for_device() {
    const auto suits = [this](const wire::DeviceEntry& entry) {
        const bool taken = other_ != nullptr && other_->device_ && other_->device_.entry().id == entry.id;
        return entry.type == wire::DeviceType::vif && !taken;
    };
    device_.look(system_.devices(), suits, [this] { forget_backend(); });
}

bool Vif::follow() {
    const bool before = connected_;
    bool anew = false;
    look_for_device();
    if (device_) {
        const wire::State backend = load_acquire(device_.control().header.backend_state);
        if (connected_ && is_leaving(backend)) {
            disconnect();
        } else if (!connected_ && backend == wire::State::init_wait) {
            connect();
            anew = true;
        }
    }
    return anew || connected_ != before;
}

/// Publishes the rings, full of empty buffers; the backend becomes connected when it has mapped them.
void Vif::connect() {
    auto& control = device_.control();
    if (tx_page_ == nullptr) {
        allocate();
    }
    if (!tx_page_ref_ && !grant(base::DomId{device_.entry().backend})) {
        system_.panic("no room in the grant table for a vif");
    }
    connected_ = true;
    address_ = address_of(control);
    features_ = load_relaxed(control.header.backend_features) & wanted_features;
    tx_ring_.start(*tx_page_);
    rx_ring_.start(*rx_page_);
    tx_free_count_ = 0;
    for (auto i = static_cast<std::uint32_t>(tx_.size()); i-- > 0;) {
        tx_[i].sent = false;
        tx_free_[tx_free_count_++] = i;
    }
    for (std::uint32_t i = 0; i < rx_.size(); ++i) {
        if (rx_[i].state == RxState::free) {
            post(i);
        }
    }
    rx_ring_.publish();
    store_relaxed(control.queue[0].tx_ref, tx_page_ref_->value);
    store_relaxed(control.queue[0].rx_ref, rx_page_ref_->value);
    store_relaxed(control.queues, 1U);
    store_relaxed(control.header.frontend_features, features_);
    device_.say(system_.platform(), wire::State::connected);
}

void Vif::forget_backend() {
    connected_ = false;
    for (auto& buffer : rx_) {
        buffer.state = buffer.state == RxState::posted ? RxState::free : buffer.state;
    }
}

/// Lets the backend go; it stops using the buffers before it closes, and after that only opens anew.
void Vif::disconnect() {
    forget_backend();
    device_.say(system_.platform(), wire::State::closed);
}

void Vif::post(std::uint32_t buffer) {
    rx_[buffer].state = RxState::posted;
    rx_ring_.put(wire::RxRequest{static_cast<std::uint16_t>(buffer), 0, rx_[buffer].ref.value});
}

std::optional<Vif::Received> Vif::receive() {
    while (connected_) {
        const auto waiting = rx_ring_.answered();
        if (!waiting) {
            disconnect();
            break;
        }
        if (*waiting == 0) {
            break;
        }
        const auto response = rx_ring_.take<wire::RxResponse>();
        if (response.id >= rx_.size() || rx_[response.id].state != RxState::posted) {
            disconnect();
            break;
        }
        auto& buffer = rx_[response.id];
        const std::size_t size = response.status > 0 ? static_cast<std::size_t>(response.status) : 0;
        const bool whole = (response.flags & (wire::rx_more_data | wire::rx_extra_info)) == 0;
        if (size == 0 || response.offset + size > wire::page_size || !whole) {
            ++counters_.bad;
            post(response.id);
            continue;
        }
        ++counters_.received;
        buffer.state = RxState::lent;
        const bool blank = (response.flags & wire::rx_checksum_blank) != 0;
        const bool good = blank || (response.flags & wire::rx_data_validated) != 0;
        return Received{response.id, {buffer.page + response.offset, size}, good, blank};
    }
    return std::nullopt;
}

void Vif::give_back(std::uint32_t buffer) {
    rx_[buffer].state = RxState::free;
    if (connected_) {
        post(buffer);
    }
}

/// Takes back the buffers of frames that are gone.
void Vif::reclaim() {
    const auto waiting = tx_ring_.answered();
    if (!waiting) {
        disconnect();
        return;
    }
    for (std::uint32_t i = 0; i < *waiting; ++i) {
        const auto response = tx_ring_.take<wire::TxResponse>();
        if (response.id >= tx_.size() || !tx_[response.id].sent) {
            disconnect();
            return;
        }
        tx_[response.id].sent = false;
        tx_free_[tx_free_count_++] = response.id;
        counters_.bad += response.status == wire::net_okay ? 0 : 1;
    }
}

std::span<std::byte> Vif::room() {
    if (connected_ && tx_free_count_ == 0) {
        reclaim();
    }
    if (!connected_ || tx_free_count_ == 0) {
        return {};
    }
    return {tx_[tx_free_[tx_free_count_ - 1]].bytes, tx_buffer_size};
}

void Vif::send(std::size_t size, Checksum checksum) {
    const std::uint32_t id = tx_free_[--tx_free_count_];
    auto& buffer = tx_[id];
    buffer.sent = true;
    const auto offset = reinterpret_cast<std::uintptr_t>(buffer.bytes) % wire::page_size;
    const std::uint16_t flags =
        checksum == Checksum::blank ? wire::tx_checksum_blank | wire::tx_data_validated : std::uint16_t{0};
    tx_ring_.put(wire::TxRequest{buffer.ref.value, static_cast<std::uint16_t>(offset), flags,
                                 static_cast<std::uint16_t>(id), static_cast<std::uint16_t>(size)});
    ++counters_.sent;
}

void Vif::flush() {
    if (!connected_) {
        return;
    }
    const bool tx = tx_ring_.publish();
    const bool rx = rx_ring_.publish();
    if (tx || rx) {
        system_.platform().notify(base::EvtchnPort{device_.entry().port});
    }
}

bool Vif::arm(Until until, std::uint32_t frames) {
    if (!connected_) {
        return true;
    }
    const std::uint32_t ahead = std::clamp(frames, 1U, std::max(rx_ring_.unanswered(), 1U));
    rx_ring_.want_ring(ahead);
    if (until == Until::frame_or_room && tx_free_count_ == 0) {
        // Half of them: a sender that fills the ring is woken a few times a round, not for each frame.
        tx_ring_.want_ring((tx_ring_.unanswered() + 1) / 2);
        const auto gone = tx_ring_.answered();
        if (!gone || *gone >= (tx_ring_.unanswered() + 1) / 2) {
            return false;
        }
    }
    const auto waiting = rx_ring_.answered();
    return waiting && *waiting < ahead;
}

}  // namespace guest
