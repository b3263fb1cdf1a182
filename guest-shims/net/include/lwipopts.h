/* SPDX-License-Identifier: Apache-2.0 */
/* lwIP as guests use it: one thread, its callback interface, IPv4, everything from the guest's heap as it is needed. What
   is not named here has lwIP's default (lwip/opt.h). */
#pragma once

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0
/* guest-shims/net/timers.hpp drives the timers: lwIP's own would wake an idle guest each second. */
#define LWIP_TIMERS 0

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define ARP_TABLE_SIZE 32
#define ARP_QUEUEING 0
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_DHCP 0
#define LWIP_AUTOIP 0
#define LWIP_DNS 0
#define LWIP_IGMP 0
#define IP_REASS_MAX_PBUFS 10

/* Memory: net/memory.cpp, over the guest's heap. A guest that serves nobody touches none of it. */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
#define mem_clib_malloc net_allocate
#define mem_clib_free net_release
#define mem_clib_calloc net_allocate_cleared

#define TCP_MSS 1460
#define TCP_WND (44 * TCP_MSS)
#define TCP_SND_BUF (44 * TCP_MSS)
#define TCP_SND_QUEUELEN 256
#define TCP_OVERSIZE 256
#define TCP_OOSEQ_MAX_PBUFS 16
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 0xff
#define TCP_MSL 2000
/* Finer than lwIP's 250 ms, so that a lost packet costs a fraction of a second: half of RTO's unit. net/timers ticks that
   often only while something is on its way. */
#define TCP_TMR_INTERVAL 50
#define LWIP_HOOK_FILENAME "net_hooks.h"
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) net_random()

#define LWIP_NETIF_HOSTNAME 0
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHECKSUM_ON_COPY 0
#define ETH_PAD_SIZE 0
