# SPDX-License-Identifier: Apache-2.0
"""What the switch carries and what it drops, as tcpdump on the uplink and the counters of vifs see it."""

import re

from rig import host
from rig.console import Console
from rig.devices import GATEWAY, address_of, count, device_of, make_guest, make_network, on_net
from rig.network import bridged

IP = "10.9.0.77"
MAC = "02:00:00:00:00:77"


def test_guest_to_guest(networked, world):
    """Through the switch alone: the uplink does not see it."""
    listener = make_guest(networked, "pktgen", "mode=sink")
    there = device_of(networked, listener, "vif")
    with world.capture("net", "ether", "dst", there["mac"], "or", "icmp") as capture:
        make_guest(networked, "pktgen", f"mode=send dst={there['ip'].split('/')[0]} dmac={there['mac']} size=64 count=1000000")
        host.until(lambda: count(networked, listener, "vif", "rx_packets") >= 900, what="the packets have arrived")
        world.ping(address_of(networked, make_guest(networked)))
        assert there["mac"] not in capture.read_until("echo reply")


# ---- what the uplink sees


def test_tcpdump_on_the_uplink(networked, world):
    guest = make_guest(networked)
    vif = device_of(networked, guest, "vif")
    address = vif["ip"].split("/")[0]
    with world.capture("net") as capture:
        world.curl(f"http://{address}/hello.txt")
        text = capture.read_until("HTTP: HTTP/1.1 200")
    assert f"{vif['mac']} >" in text
    assert re.search(rf"ARP.*Reply {re.escape(address)} is-at {vif['mac']}", text), text
    assert re.search(rf"{re.escape(address)}\.80 > {re.escape(GATEWAY)}\.\d+: Flags \[S\.\]", text), text
    assert "bad cksum" not in text and "incorrect" not in text


def test_checksums_are_right_on_the_wire(networked, make_namespace, world):
    """Behind a bridge, where the next machine would see them: tcpdump says what is wrong."""
    outside = bridged(networked, world, make_namespace())
    guest = networked.create("httpd", vifs=[{"bridge": "joined"}], memory=8)
    address = address_of(networked, guest)
    world.fill_in_checksums("port")
    with outside.capture("out", "-v", "tcp") as capture:
        outside.curl(f"http://{address}/1k")
        text = capture.read_until("HTTP/1.1 200")
    assert "cksum" in text and not re.search(rf"{re.escape(address)}\.80 >.*incorrect", text), text


# ---- filters and limits


def make_router(daemon, rules):
    """Between the network `net` and one more, whose guest is returned too."""
    make_network(daemon, "far", "10.6.0.1/24", uplink="none")
    router = daemon.create("router", cmdline=rules, memory=8,
                           vifs=[on_net(ip="10.9.0.253", spoof_check=False),
                                 {"bridge": "far", "ip": "10.6.0.253", "spoof_check": False}])
    there = daemon.create("pktgen", cmdline="mode=sink", memory=8, vifs=[{"bridge": "far", "ip": "10.6.0.7"}])
    mac = device_of(daemon, router, "vif")["mac"]
    make_guest(daemon, "pktgen", f"mode=send dst=10.6.0.7 dmac={mac} size=64 count=100000")
    return router, there


def test_router_forwards(networked, world):
    _, there = make_router(networked, "deny=udp/53 allow=any")
    host.until(lambda: count(networked, there, "vif", "rx_packets") >= 900, what="the packets have arrived")


def test_router_filters(networked, world):
    router, there = make_router(networked, "deny=udp/9 allow=any")
    console = Console(networked, router)

    def denied():
        console.text = b""
        console.type("\n")
        said = console.read_until(b", unreachable")
        assert b"forwarded 0," in said
        return int(re.search(rb"denied (\d+)", said)[1])

    host.until(lambda: denied() >= 900, what="the packets are denied")
    assert count(networked, there, "vif", "rx_packets") <= 5  # who has this address, perhaps


LIES = "arp or udp or vlan"  # what the fault vif-spoof sends


def test_spoofed_packets_are_dropped(networked, world):
    """Another's MAC, another's address, a VLAN's frame, the answer of a DHCP server."""
    with world.capture("net", LIES) as capture:
        liar = make_guest(networked, "fault", "fault=vif-spoof", ip=IP, mac=MAC)
        text = capture.read_until("d00d")
    assert not re.search("bad[1-4]", text), text
    sources = set(re.findall(r"(?m)^(02:00:00\S+) >", text))
    assert sources == {MAC}
    assert "10.9.0.24" not in text  # the address that it claims: the last byte of its own, xor 0x55
    assert count(networked, liar, "vif", "dropped_spoofed") == 120


def test_spoof_check_can_be_turned_off(networked, world):
    with world.capture("net", LIES) as capture:
        make_guest(networked, "fault", "fault=vif-spoof", ip=IP, mac=MAC, spoof_check=False)
        text = capture.read_until("d00d")
    assert all(mark in text for mark in ("bad1", "bad2", "bad3", "bad4")), text


def test_broadcasts_are_bounded(networked, world):
    """A flood of them neither drowns the others nor stops its sender."""
    noisy = make_guest(networked, "fault", "fault=vif-flood")
    quiet = make_guest(networked)
    host.until(lambda: count(networked, noisy, "vif", "dropped_rate") > 1000, what="broadcasts are dropped")
    world.ping(address_of(networked, quiet))
    assert world.status_of(f"http://{address_of(networked, quiet)}/") == "200"


def test_rate_limit(networked, world):
    """1 MB/s: what was carried while a download runs is bounded by the time that it took."""
    guest = make_guest(networked, rate="8Mbit")
    address = address_of(networked, guest)
    shown = world.curl("--write-out", "%{time_total} ",
                       *["--output", "/dev/null", f"http://{address}/100k"] * 10)
    seconds = sum(map(float, shown.stdout.split()))
    sent = count(networked, guest, "vif", "tx_bytes")
    assert sent > 1_000_000
    assert sent <= 1_000_000 * (seconds + 1)  # a bucket of less than a second's worth may be full at the begin


def test_two_vifs(networked, world):
    make_network(networked, "second", "10.6.0.1/24")
    guest = networked.create("router", vifs=[on_net(), {"bridge": "second"}], cmdline="allow=any", memory=8)
    for index in (0, 1):
        world.ping(address_of(networked, guest, index))


def test_guest_without_a_network_driver(networked, world):
    """It has a vif and does not know what that is."""
    guest = make_guest(networked, "noop")
    assert device_of(networked, guest, "vif")["frontend"] != "connected"
    networked.client().call("domain.destroy", id=guest["id"])


def test_counters_and_info(networked, world):
    guest = make_guest(networked)
    world.ping(address_of(networked, guest), count=5)
    shown = networked.cli("info", guest["name"]).stdout
    vif = device_of(networked, guest, "vif")
    assert vif["mac"] in shown and vif["ip"] in shown and "connected" in shown
    assert vif["counters"]["rx_packets"] >= 5 and vif["counters"]["tx_packets"] >= 5
    text = networked.client().call("metrics.get")["text"]
    assert re.search(r"(?m)^chaos_\w*vif\w*", text) or re.search(r'type="vif"', text)
