// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/detach_waits.hpp"

#include <algorithm>
#include <utility>

#include "noxs/backends.hpp"

namespace chaos {

void DetachWaits::add(base::DomId domain, noxs::wire::DeviceType type, std::uint32_t device, ClientId client,
                      std::string request_id) {
    Wait wait{domain, type, device, client, std::move(request_id)};
    if (std::ranges::none_of(done_, [&](const split::Event& event) { return answer(wait, event); })) {
        waits_.push_back(std::move(wait));
    }
}

bool DetachWaits::answer(const Wait& wait, const split::Event& event) {
    if (wait.domain != event.domain || wait.type != event.device || wait.device != event.device_id) {
        return false;
    }
    clients_.reply(wait.client, wait.request_id, [&](json::Writer& writer) {
        writer.begin_object()
            .member("id", event.domain.value)
            .member("name", event.name)
            .key("device")
            .begin_object()
            .member("type", noxs::type_name(event.device))
            .member("id", event.device_id)
            .end_object()
            .member("forced", event.forced)
            .end_object();
    });
    return true;
}

void DetachWaits::on_detached(const split::Event& event) {
    std::erase_if(waits_, [&](const Wait& wait) { return answer(wait, event); });
    done_.push_back(event);
    if (constexpr std::size_t kept = 16; done_.size() > kept) {
        done_.erase(done_.begin());
    }
}

void DetachWaits::on_end(base::DomId domain) {
    std::erase_if(waits_, [&](const Wait& wait) {
        if (wait.domain != domain) {
            return false;
        }
        clients_.fail(wait.client, wait.request_id,
                      {base::Code::guest_died, 0, "the guest ended, and its devices with it"});
        return true;
    });
}

void DetachWaits::client_gone(ClientId client) {
    std::erase_if(waits_, [&](const Wait& wait) { return wait.client == client; });
}

}  // namespace chaos
