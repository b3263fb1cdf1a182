// SPDX-License-Identifier: Apache-2.0
#include "console.hpp"

namespace foreign {

void Console::print(const char* text) {
    auto* const ring_page = environment_.console;
    if (ring_page == nullptr) {
        return;
    }
    auto produced = ring_page->out_prod;
    for (; *text != '\0'; ++text) {
        while (produced - __atomic_load_n(&ring_page->out_cons, __ATOMIC_ACQUIRE) == sizeof ring_page->out) {
            ring();
            wait();
        }
        ring_page->out[MASK_XENCONS_IDX(produced, ring_page->out)] = *text;
        __atomic_store_n(&ring_page->out_prod, ++produced, __ATOMIC_RELEASE);
    }
    ring();
}

void Console::print(uint64_t number) {
    char digits[24];
    char* at = digits + sizeof digits;
    *--at = '\0';
    // 32-bit code has no division of 64 bits without a library; no domain here has 4 TiB.
    auto left = static_cast<uint32_t>(number);
    do {
        *--at = static_cast<char>('0' + left % 10);
        left /= 10;
    } while (left != 0);
    print(at);
}

char Console::read() {
    auto* const ring_page = environment_.console;
    const auto consumed = ring_page->in_cons;
    while (__atomic_load_n(&ring_page->in_prod, __ATOMIC_ACQUIRE) == consumed) {
        wait();
    }
    const char byte = ring_page->in[MASK_XENCONS_IDX(consumed, ring_page->in)];
    __atomic_store_n(&ring_page->in_cons, consumed + 1, __ATOMIC_RELEASE);
    ring();
    return byte;
}

void Console::ring() const {
    evtchn_send send{environment_.console_port};
    hypercall<__HYPERVISOR_event_channel_op>(EVTCHNOP_send, &send);
}

/// Until the other side rings, which it may have done already. Events stay masked: there is no handler.
void Console::wait() const {
    evtchn_port_t port = environment_.console_port;
    sched_poll poll{};
    set_xen_guest_handle(poll.ports, &port);
    poll.nr_ports = 1;
    hypercall<__HYPERVISOR_sched_op>(SCHEDOP_poll, &poll);
    constexpr unsigned bits = 8 * sizeof(unsigned long);
    __atomic_fetch_and(&environment_.pending[port / bits], ~(1UL << port % bits), __ATOMIC_ACQ_REL);
}

}  // namespace foreign
