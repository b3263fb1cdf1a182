// SPDX-License-Identifier: Apache-2.0
#include "noxs/plane/switchboard.hpp"

#include <algorithm>
#include <utility>

namespace noxs {

namespace {

auto no_such(const std::string& name) {
    return base::fail(base::Code::not_found, "no network named '" + name + "'");
}

}  // namespace

Switch* Switchboard::find(const std::string& name) const {
    const auto found = switches_.find(name);
    return found == switches_.end() ? nullptr : found->second.get();
}

Result<void> Switchboard::add(const std::string& name) {
    if (!switches_.try_emplace(name, std::make_unique<Switch>(name)).second) {
        return base::fail(base::Code::name_in_use, "a network named '" + name + "' exists");
    }
    return {};
}

Result<void> Switchboard::remove(const std::string& name) {
    const Switch* network = find(name);
    if (network == nullptr) {
        return no_such(name);
    }
    if (network->has_vifs()) {
        return base::fail(base::Code::bad_state, "guests are on network '" + name + "'");
    }
    for (std::size_t i = uplinks_.size(); i-- > 0;) {
        if (uplinks_[i]->network == network) {
            unplug(uplinks_[i].get());
        }
    }
    switches_.erase(name);
    return {};
}

/// With the counters of its uplinks, their kind in front.
Result<SwitchStatus> Switchboard::status(const std::string& name) const {
    const Switch* network = find(name);
    if (network == nullptr) {
        return no_such(name);
    }
    auto status = network->status();
    for (const auto& plugged : uplinks_) {
        if (plugged->network == network) {
            for (auto& [counter, value] : plugged->uplink->counters()) {
                status.counters.emplace_back(plugged->kind + "_" + counter, value);
            }
        }
    }
    return status;
}

Switchboard::Plugged* Switchboard::find(const Switch* network, const std::string& kind) const {
    const auto found = std::ranges::find_if(
        uplinks_, [&](const auto& plugged) { return plugged->network == network && plugged->kind == kind; });
    return found == uplinks_.end() ? nullptr : found->get();
}

/// Watched for edges: a peer that is gone makes a descriptor readable for ever.
Result<void> Switchboard::plug(const std::string& name, const std::string& kind,
                               std::unique_ptr<DataPlane::Uplink> uplink) {
    Switch* network = find(name);
    if (network == nullptr) {
        return no_such(name);
    }
    if (find(network, kind) != nullptr) {
        return base::fail(base::Code::name_in_use, "network '" + name + "' has an uplink '" + kind + "' already");
    }
    const std::uint32_t id = ++last_id_;
    BASE_TRY(epoll_->watch(uplink->fd(), EPOLLIN | EPOLLET, {Source::uplink, id}));
    auto* place = network->plug_uplink(*uplink);
    auto plugged = std::make_unique<Plugged>(Plugged{id, kind, network, std::move(uplink), place});
    plugged->into = [at = plugged.get()](const Frame& frame) { at->network->forward(*at->place, frame, at->now); };
    plugged->ready = true;
    uplinks_.push_back(std::move(plugged));
    return {};
}

Result<void> Switchboard::unplug(const std::string& name, const std::string& kind) {
    const Switch* network = find(name);
    const Plugged* plugged = network == nullptr ? nullptr : find(network, kind);
    if (plugged == nullptr) {
        return network == nullptr
                   ? no_such(name)
                   : base::fail(base::Code::not_found, "network '" + name + "' has no uplink '" + kind + "'");
    }
    unplug(plugged);
    return {};
}

void Switchboard::unplug(const Plugged* plugged) {
    epoll_->unwatch(plugged->uplink->fd());
    plugged->network->unplug(plugged->place);
    std::erase_if(uplinks_, [&](const auto& owned) { return owned.get() == plugged; });
}

void Switchboard::on_readable(std::uint32_t uplink) {
    for (const auto& plugged : uplinks_) {
        plugged->ready = plugged->ready || plugged->id == uplink;
    }
}

bool Switchboard::round(Clock::time_point now) {
    bool more = false;
    for (const auto& plugged : uplinks_) {
        if (!plugged->ready) {
            continue;
        }
        plugged->now = now;
        plugged->ready = plugged->uplink->receive(budget, plugged->into) == budget;
        more = more || plugged->ready;
        plugged->network->flush();
    }
    return more;
}

}  // namespace noxs
