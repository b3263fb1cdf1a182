# SPDX-License-Identifier: Apache-2.0
"""Guests that real clients talk to, through a tap device on the host."""

import re
import socket

import pytest

from rig import host
from rig.devices import GATEWAY, address_of, count, device_of, make_guest, make_network
from rig.network import bridged

IP = "10.9.0.77"
MAC = "02:00:00:00:00:77"


# ---- one guest, all clients


@pytest.mark.parametrize("keys", ({}, {"ip": IP, "mac": MAC}), ids=("address from the network", "address from the file"))
def test_guest_answers(networked, world, keys):
    guest = make_guest(networked, **keys)
    address = address_of(networked, guest)
    assert address.startswith("10.9.0.") and address != GATEWAY
    if keys:
        assert address == IP and device_of(networked, guest, "vif")["mac"] == MAC
    world.ping(address)
    assert world.curl(f"http://{address}/hello.txt").stdout
    neighbours = world.ip("neigh show dev net")
    assert device_of(networked, guest, "vif")["mac"] in neighbours


def test_curl(networked, world):
    """Several requests on one connection, HEAD, what is not there, what is big."""
    base = f"http://{address_of(networked, make_guest(networked))}"
    shown = world.curl("--verbose", f"{base}/1k", f"{base}/hello.txt", f"{base}/", "--output", "/dev/null", "--output",
                       "/dev/null", "--output", "/dev/null")
    assert shown.stderr.count("HTTP/1.1 200") == 3 and shown.stderr.count("Re-using") == 2, shown.stderr
    head = world.curl("--head", f"{base}/1k").stdout
    assert re.search(r"(?mi)^content-length: 1024\s*$", head), head
    assert world.status_of(f"{base}/nothing") == "404"
    assert world.curl("--request", "DELETE", "--output", "/dev/null", "--write-out", "%{http_code}", f"{base}/").stdout == "405"
    assert len(world.curl(f"{base}/100k").stdout) == 100 * 1024


def test_pipelined_requests(networked, world):
    """All sent before the first answer is read; the last one ends the connection."""
    request = "GET {} HTTP/1.1\r\nHost: guest\r\n{}\r\n"
    paths = ["/hello.txt"] * 30
    with world.connect(address_of(networked, make_guest(networked)), 80) as connection:
        last = request.format("/1k", "Connection: close\r\n")
        connection.sendall(("".join(request.format(path, "") for path in paths) + last).encode())
        answers = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answers.count(b"HTTP/1.1 200") == 31


def test_nonsense_for_httpd(networked, world):
    address = address_of(networked, make_guest(networked))
    for words in (b"\0\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x" * 100_000):
        with world.connect(address, 80) as connection:
            try:
                connection.sendall(words)
                while connection.recv(1 << 16):
                    pass
            except ConnectionError:
                pass
    assert world.status_of(f"http://{address}/") == "200"


def test_daytime(networked, world):
    address = address_of(networked, make_guest(networked, "daytime"))
    for _ in range(3):
        assert re.search(r"\d\d:\d\d:\d\d", world.netcat(address, 13))


def test_echo(networked, world):
    address = address_of(networked, make_guest(networked, "echo"))
    assert world.netcat(address, 7, "over tcp\n") == "over tcp\n"
    assert world.netcat(address, 7, "over udp\n", udp=True) == "over udp\n"
    text = "".join(f"line {i}\n" for i in range(100_000))
    assert world.netcat(address, 7, text) == text


def test_large_pings(networked, world):
    """Up to what fits one packet; more is fragmented by the host, and lwIP puts it together or not: not asked here."""
    address = address_of(networked, make_guest(networked))
    for size in (0, 1, 17, 1000, 1472):
        world.ping(address, "-s", size, "-M", "do")


def test_wrk(networked, world):
    assert world.wrk(f"http://{address_of(networked, make_guest(networked))}:80/1k") > 10


def test_many_connections_at_once(networked, world):
    """Each is served in the end, and so is who comes afterwards."""
    address = address_of(networked, make_guest(networked))
    world.wrk(f"http://{address}:80/1k", connections=64)
    assert world.status_of(f"http://{address}/") == "200"


def test_address_of_nobody(networked, world):
    """Is answered by nobody."""
    make_guest(networked)
    assert world.is_deaf("10.9.0.200")


# ---- many guests


def addresses_of(daemon, guests):
    return [address_of(daemon, guest) for guest in guests]


def curl_each(world, addresses):
    """One curl for all, some at a time."""
    config = "".join(f'url = "http://{address}/hello.txt"\noutput = "/dev/null"\n' for address in addresses)
    shown = world.run("curl", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", 20, "--max-time",
                      int(host.DEADLINE), "--write-out", "%{http_code} %{remote_ip}\n", "--config", "-", input=config)
    assert sorted(shown.stdout.splitlines()) == sorted(f"200 {address}" for address in addresses)


def test_a_hundred_guests_answer(networked, world):
    guests = make_guest(networked, count=100)
    addresses = addresses_of(networked, guests)
    assert len(set(addresses)) == 100
    curl_each(world, addresses)


@pytest.mark.slow
@pytest.mark.drivers("process", "kvm", reason="dom0 of the emulated machine has no memory for a thousand guests")
def test_a_thousand_guests_answer(make_daemon, world):
    daemon = make_daemon(wrapper=world.enter())
    make_network(daemon, address="10.9.0.1/16")
    guests = [guest for _ in range(10) for guest in make_guest(daemon, count=100)]
    curl_each(world, addresses_of(daemon, guests))


# ---- other uplinks


def test_joined_to_a_bridge(networked, world, make_namespace):
    outside = bridged(networked, world, make_namespace())
    assert "master br0" in world.ip("link show joined")
    guest = networked.create("httpd", vifs=[{"bridge": "joined"}], memory=8)
    address = address_of(networked, guest)
    outside.ping(address)
    assert outside.status_of(f"http://{address}/") == "200"


def behind(world, outside):
    """A cable from the host to a machine that knows of nobody else."""
    world.veth_to(outside, "wan", "out")
    world.ip("address add 192.0.2.1/24 dev wan")
    outside.ip("address add 192.0.2.2/24 dev out")
    return outside


def test_nat(networked, world, make_namespace):
    """A guest reaches a machine that knows of the host only: seen from there it is the host. The answer reaches it."""
    outside = behind(world, make_namespace())
    make_network(networked, "hidden", "10.7.0.1/24", nat=True)
    gateway = re.search(r"link/ether (\S+)", world.ip("link show hidden"))[1]
    with outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(host.DEADLINE)
        peer.bind(("192.0.2.2", 9))
        guest = networked.create("pktgen", cmdline=f"mode=send dst=192.0.2.2 dmac={gateway} count=1000", memory=8,
                                 vifs=[{"bridge": "hidden"}])
        _, seen = peer.recvfrom(100)
        assert seen[0] == "192.0.2.1"
        came = count(networked, guest, "vif", "rx_packets")

        def answered():
            peer.sendto(b"answer", seen)
            return count(networked, guest, "vif", "rx_packets") >= came + 10

        host.until(answered, what="answers arrive")


def test_nat_lets_nobody_in(networked, world, make_namespace):
    """Who knows the way in does not get in, though the host forwards; to a network without NAT it does."""
    outside = behind(world, make_namespace())
    make_network(networked, "hidden", "10.7.0.1/24", nat=True)
    make_network(networked, "open", "10.6.0.1/24")
    hidden, known = (address_of(networked, networked.create("httpd", vifs=[{"bridge": bridge}], memory=8))
                     for bridge in ("hidden", "open"))
    for network in ("10.7.0.0/24", "10.6.0.0/24"):
        outside.ip(f"route add {network} via 192.0.2.1")
    for _ in range(2):
        outside.ping(known)
        assert outside.status_of(f"http://{known}/") == "200"
        assert outside.is_deaf(hidden)
        assert world.status_of(f"http://{hidden}/") == "200"
        networked.kill()
        networked.start()


def test_networks_are_apart(networked, world):
    make_network(networked, "other", "10.6.0.1/24")
    here, there = make_guest(networked), networked.create("httpd", vifs=[{"bridge": "other"}], memory=8)
    with world.capture("net", "arp") as capture:
        world.ping(address_of(networked, there))
        world.ping(address_of(networked, here))
        text = capture.read_until("is-at")
    assert "10.6.0." not in text
