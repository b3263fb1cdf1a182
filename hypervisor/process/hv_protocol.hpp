// SPDX-License-Identifier: Apache-2.0
// Messages between the process driver (in chaosd) and chaos-hv: one fixed-size request, one reply, over SEQPACKET on
// one machine. A change of any byte is a new protocol_version; a driver and a chaos-hv of different versions refuse
// each other. For that the size of a request never changes, and hello keeps its place in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/ids.hpp"
#include "hypervisor/process/process_abi.hpp"

namespace hypervisor::process {

inline constexpr std::uint32_t protocol_version = 3;
/// Room for the memory and both doorbells of every domain that can have an id, and some more.
inline constexpr unsigned descriptors_of_all_domains = 3 * base::first_reserved_domid + 512;
inline constexpr char socket_name[] = "hv.sock";  // in the runtime directory

/// What a domain is: which driver's.
enum class Kind : std::uint16_t {
    process = 0,
    kvm = 1,
};
inline constexpr std::size_t kind_count = 2;

enum class Op : std::uint32_t {
    hello = 1,    ///< version in `arg`, `kind`; the reply's `arg` is chaos-hv's version, `limit` its descriptor limit,
                  ///< `pid` its pid, `vcpus` the most of a domain. EOPNOTSUPP: that kind does not work here, `text` why
    create = 2,   ///< kind, memory, vcpus, control_pages, spare_pages, data_lane; the reply carries [memory, doorbell]
                  ///< and, with data_lane, [data doorbell]
    destroy = 3,  ///< ends and forgets `domain`; answered when its process is gone
    pause = 4,
    unpause = 5,
    affinity = 6,   ///< host CPUs as bits in `arg`
    list = 7,       ///< one reply per domain with descriptors as of create, then one with domain 0
    subscribe = 8,  ///< this connection gets a reply with op `death` for every domain that ends by itself
    death = 9,      ///< chaos-hv only
};

struct Request {
    Op op;                        //  0
    std::uint32_t domain;         //  4
    std::uint64_t arg;            //  8
    std::uint64_t memory;         // 16  bytes
    std::uint16_t vcpus;          // 24
    Kind kind;                    // 26
    std::uint16_t control_pages;  // 28
    std::uint8_t spare_pages;     // 30
    std::uint8_t data_lane;       // 31  1: it has a doorbell for it
};
static_assert(sizeof(Request) == 32 && std::has_unique_object_representations_v<Request>);

/// How a domain ended, as chaos-hv saw it.
struct DeathRecord {
    std::uint32_t kind;             //  0  hypervisor::DeathKind
    std::int32_t code;              //  4
    std::int32_t signal;            //  8
    std::uint32_t dead;             // 12  1: it has ended
    std::uint64_t address;          // 16
    abi::CrashRegisters registers;  // 24  rflags 0: not known
};
static_assert(sizeof(DeathRecord) == 168 && std::has_unique_object_representations_v<DeathRecord>);

struct Reply {
    Op op;                        //   0
    std::int32_t error;           //   4  0 or an errno
    std::uint32_t domain;         //   8
    std::int32_t pid;             //  12
    std::uint64_t arg;            //  16
    std::uint64_t limit;          //  24
    std::uint64_t memory;         //  32
    std::uint16_t control_pages;  //  40
    std::uint8_t spare_pages;     //  42
    std::uint8_t data_lane;       //  43
    std::uint32_t paused;         //  44
    DeathRecord death;            //  48
    std::uint32_t vcpus;          // 216
    Kind kind;                    // 220
    std::uint16_t reserved;       // 222
    char text[288];  // 224  what failed; in hello what is missing on this host; of a death the cause; ends in NUL
};
static_assert(sizeof(Reply) == 512 && std::has_unique_object_representations_v<Reply>);

}  // namespace hypervisor::process
