// SPDX-License-Identifier: Apache-2.0
#include "noxs/uplink/nat.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/fd.hpp"
#include "noxs/uplink/netlink.hpp"

namespace noxs {

namespace {

struct Chain {
    const char* name;
    const char* type;
    std::uint32_t hook;
    std::uint32_t priority;
};
/// Where the kernel expects source NAT and filters (NF_IP_PRI_NAT_SRC, NF_IP_PRI_FILTER in linux/netfilter_ipv4.h).
constexpr Chain source_nat{"postrouting", "nat", NF_INET_POST_ROUTING, 100};
constexpr Chain forwarding{"forward", "filter", NF_INET_FORWARD, 0};

/// A change of the rule set that the kernel makes whole or not at all.
class Batch {
 public:
    Batch() {
        put(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, [](nl_msg*) {});
    }

    /// One operation; `fill` puts its attributes into the message.
    template <class Fill>
    void add(int operation, int flags, Fill fill) {
        put(NFNL_SUBSYS_NFTABLES << 8 | operation, flags, NFPROTO_IPV4, 0, fill);
    }

    /// The kernel's answer: the first error of any operation.
    Result<void> commit() {
        const std::uint32_t last = sequence_ - 1;  // asks for an answer, so that there is one to wait for
        reinterpret_cast<nlmsghdr*>(bytes_.data() + last_at_)->nlmsg_flags |= NLM_F_ACK;
        put(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, [](nl_msg*) {});
        BASE_ASSIGN(const auto socket, open_netlink(NETLINK_NETFILTER));
        if (const int status = ::nl_sendto(socket.get(), bytes_.data(), bytes_.size()); status < 0) {
            return netlink_error(status, "nf_tables");
        }
        return await(::nl_socket_get_fd(socket.get()), last);
    }

 private:
    template <class Fill>
    void put(int type, int flags, int family, std::uint16_t resource, Fill fill) {
        const NetlinkMessage message(::nlmsg_alloc());
        nlmsghdr* header = ::nlmsg_put(message.get(), 0, sequence_++, type, 0, NLM_F_REQUEST | flags);
        const nfgenmsg general{static_cast<std::uint8_t>(family), NFNETLINK_V0, htons(resource)};
        ::nlmsg_append(message.get(), const_cast<nfgenmsg*>(&general), sizeof general, NLMSG_ALIGNTO);
        fill(message.get());
        last_at_ = bytes_.size();
        const auto* begin = reinterpret_cast<const std::byte*>(header);
        bytes_.insert(bytes_.end(), begin, begin + NLMSG_ALIGN(header->nlmsg_len));
    }

    static Result<void> await(int socket, std::uint32_t last) {
        alignas(nlmsghdr) std::array<std::byte, 8192> reply;
        for (;;) {
            const ssize_t size = ::recv(socket, reply.data(), reply.size(), 0);
            if (size < 0 && errno == EINTR) {
                continue;
            }
            if (size < 0) {
                return base::fail_errno(errno, "nf_tables");
            }
            auto left = static_cast<int>(size);
            for (auto* header = reinterpret_cast<nlmsghdr*>(reply.data()); ::nlmsg_ok(header, left);
                 header = ::nlmsg_next(header, &left)) {
                if (header->nlmsg_type != NLMSG_ERROR) {
                    continue;
                }
                const auto* error = static_cast<const nlmsgerr*>(::nlmsg_data(header));
                if (error->error != 0) {
                    return refused(-error->error);
                }
                if (header->nlmsg_seq == last) {
                    return {};
                }
            }
        }
    }

    static std::unexpected<base::Error> refused(int err) {
        if (err == EOPNOTSUPP || err == ENOENT || err == EAFNOSUPPORT || err == EINVAL) {
            return base::fail(base::Code::unsupported,
                              "this kernel has no NAT of nf_tables (modules nf_tables, nft_chain_nat, nft_masq, nft_ct)");
        }
        return base::fail_errno(err, "nf_tables");
    }

    std::vector<std::byte> bytes_;
    std::size_t last_at_{0};
    std::uint32_t sequence_{1};
};

std::string table_of(const std::string& device) {
    return "chaos_" + device;
}

void put_number(nl_msg* message, int attribute, std::uint32_t value) {
    ::nla_put_u32(message, attribute, htonl(value));
}

template <class Fill>
void put_nested(nl_msg* message, int attribute, Fill fill) {
    nlattr* nest = ::nla_nest_start(message, attribute);
    fill();
    ::nla_nest_end(message, nest);
}

void put_value(nl_msg* message, int attribute, const void* value, int size) {
    put_nested(message, attribute, [&] { ::nla_put(message, NFTA_DATA_VALUE, size, value); });
}

template <class Fill>
void put_expression(nl_msg* message, const char* name, Fill fill) {
    put_nested(message, NFTA_LIST_ELEM, [&] {
        ::nla_put_string(message, NFTA_EXPR_NAME, name);
        put_nested(message, NFTA_EXPR_DATA, fill);
    });
}

void compare(nl_msg* message, std::uint32_t operation, const void* value, int size) {
    put_expression(message, "cmp", [&] {
        put_number(message, NFTA_CMP_SREG, NFT_REG_1);
        put_number(message, NFTA_CMP_OP, operation);
        put_value(message, NFTA_CMP_DATA, value, size);
    });
}

void mask_register(nl_msg* message, std::uint32_t mask) {
    const std::uint32_t no_change = 0;
    put_expression(message, "bitwise", [&] {
        put_number(message, NFTA_BITWISE_SREG, NFT_REG_1);
        put_number(message, NFTA_BITWISE_DREG, NFT_REG_1);
        put_number(message, NFTA_BITWISE_LEN, sizeof mask);
        put_value(message, NFTA_BITWISE_MASK, &mask, sizeof mask);
        put_value(message, NFTA_BITWISE_XOR, &no_change, sizeof no_change);
    });
}

/// ip saddr `net`
void match_source(nl_msg* message, const Ipv4Net& net) {
    put_expression(message, "payload", [&] {
        put_number(message, NFTA_PAYLOAD_DREG, NFT_REG_1);
        put_number(message, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
        put_number(message, NFTA_PAYLOAD_OFFSET, offsetof(iphdr, saddr));
        put_number(message, NFTA_PAYLOAD_LEN, 4);
    });
    mask_register(message, htonl(net.mask()));
    const std::uint32_t network = htonl(net.address.number() & net.mask());
    compare(message, NFT_CMP_EQ, &network, 4);
}

/// `key` (iifname, oifname) is, or is not, `device`.
void match_device(nl_msg* message, std::uint32_t key, std::uint32_t operation, const std::string& device) {
    put_expression(message, "meta", [&] {
        put_number(message, NFTA_META_DREG, NFT_REG_1);
        put_number(message, NFTA_META_KEY, key);
    });
    std::array<char, IFNAMSIZ> name{};
    device.copy(name.data(), name.size() - 1);
    compare(message, operation, name.data(), name.size());
}

/// ct state & (established | related) == 0
void match_new_connection(nl_msg* message) {
    constexpr std::uint32_t established = 1U << 1, related = 1U << 2;  // NF_CT_STATE_BIT in nf_conntrack_common.h
    const std::uint32_t none = 0;
    put_expression(message, "ct", [&] {
        put_number(message, NFTA_CT_DREG, NFT_REG_1);
        put_number(message, NFTA_CT_KEY, NFT_CT_STATE);
    });
    mask_register(message, established | related);
    compare(message, NFT_CMP_EQ, &none, sizeof none);
}

void drop(nl_msg* message) {
    put_expression(message, "immediate", [&] {
        put_number(message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        put_nested(message, NFTA_IMMEDIATE_DATA, [&] {
            put_nested(message, NFTA_DATA_VERDICT, [&] { put_number(message, NFTA_VERDICT_CODE, NF_DROP); });
        });
    });
}

void add_chain(Batch& batch, const std::string& table, const Chain& chain) {
    batch.add(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&](nl_msg* message) {
        ::nla_put_string(message, NFTA_CHAIN_TABLE, table.c_str());
        ::nla_put_string(message, NFTA_CHAIN_NAME, chain.name);
        put_nested(message, NFTA_CHAIN_HOOK, [&] {
            put_number(message, NFTA_HOOK_HOOKNUM, chain.hook);
            put_number(message, NFTA_HOOK_PRIORITY, chain.priority);
        });
        ::nla_put_string(message, NFTA_CHAIN_TYPE, chain.type);
    });
}

template <class Fill>
void add_rule(Batch& batch, const std::string& table, const Chain& chain, Fill fill) {
    batch.add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&](nl_msg* message) {
        ::nla_put_string(message, NFTA_RULE_TABLE, table.c_str());
        ::nla_put_string(message, NFTA_RULE_CHAIN, chain.name);
        put_nested(message, NFTA_RULE_EXPRESSIONS, [&] { fill(message); });
    });
}

/// In place of what an earlier daemon left: adding a table that is there already is no mistake, and so none is missing
/// when it is deleted.
void delete_table(Batch& batch, const std::string& table) {
    const auto named = [&](nl_msg* message) { ::nla_put_string(message, NFTA_TABLE_NAME, table.c_str()); };
    batch.add(NFT_MSG_NEWTABLE, NLM_F_CREATE, named);
    batch.add(NFT_MSG_DELTABLE, 0, named);
}

Result<void> forward_packets() {
    constexpr const char* setting = "/proc/sys/net/ipv4/ip_forward";
    const base::Fd file(::open(setting, O_RDWR | O_CLOEXEC));
    char now = 0;
    if (file && ::read(file.get(), &now, 1) == 1 && now == '1') {
        return {};
    }
    if (!file || ::pwrite(file.get(), "1", 1, 0) != 1) {
        return base::fail_errno(errno, setting);
    }
    return {};
}

}  // namespace

Result<void> add_nat(const std::string& device, const Ipv4Net& net) {
    const std::string table = table_of(device);
    Batch batch;
    delete_table(batch, table);
    batch.add(NFT_MSG_NEWTABLE, NLM_F_CREATE,
              [&](nl_msg* message) { ::nla_put_string(message, NFTA_TABLE_NAME, table.c_str()); });
    add_chain(batch, table, source_nat);
    add_rule(batch, table, source_nat, [&](nl_msg* message) {
        match_source(message, net);
        match_device(message, NFT_META_OIFNAME, NFT_CMP_NEQ, device);
        put_expression(message, "masq", [] {});
    });
    add_chain(batch, table, forwarding);
    add_rule(batch, table, forwarding, [&](nl_msg* message) {
        match_device(message, NFT_META_IIFNAME, NFT_CMP_NEQ, device);
        match_device(message, NFT_META_OIFNAME, NFT_CMP_EQ, device);
        match_new_connection(message);
        drop(message);
    });
    BASE_TRY(batch.commit());
    return forward_packets();
}

Result<void> remove_nat(const std::string& device) {
    Batch batch;
    delete_table(batch, table_of(device));
    return batch.commit();
}

}  // namespace noxs
