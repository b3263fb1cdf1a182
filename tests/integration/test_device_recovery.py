# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon under load of network and disks: who talks to guests hardly notices."""

import os
import signal
import socket
import subprocess
import threading

import pytest

from rig import host
from rig.console import Console
from rig.devices import (GATEWAY, address_of, await_served, await_stopped, count, device_of, devices_of, make_network,
                         sparse_file)
from rig.network import tool

MIB = 1 << 20
PAGE = 100 * 1024  # bytes of httpd's /100k
SLOWLY = 2048  # bytes of a receive buffer: the sender has to wait for us


def restart(daemon):
    daemon.kill()
    daemon.start()


def net_guest(daemon, image="httpd", **keys):
    return daemon.create(image, memory=8, vifs=[{"bridge": "net"}], **keys)


def say(connection, word):
    """To an echo server."""
    connection.sendall(word)
    answer = b""
    while len(answer) < len(word):
        answer += connection.recv(1 << 16)
    assert answer == word


def test_open_connection_goes_on(networked, world):
    guest = net_guest(networked, "echo")
    with world.connect(address_of(networked, guest), 7) as connection:
        for round_number in range(4):
            say(connection, b"round %d" % round_number)
            restart(networked)
        say(connection, b"to the end")


def test_connection_of_a_daemon_that_is_away(networked, world):
    """What is sent meanwhile arrives afterwards."""
    guest = net_guest(networked, "echo")
    with world.connect(address_of(networked, guest), 7) as connection:
        say(connection, b"before")
        networked.kill()
        connection.sendall(b"meanwhile")
        networked.start()
        assert connection.recv(100) == b"meanwhile"


def download(connection, path="/100k", until=lambda received: None):
    """Reads the answer piece by piece; `until` is told how much there is."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n".encode())
    received = b""
    while data := connection.recv(SLOWLY):
        received += data
        until(len(received))
    return received.split(b"\r\n\r\n", 1)[1]


def test_download_goes_on(networked, world):
    """Three kills in the middle of it."""
    address = address_of(networked, net_guest(networked))
    whole = world.curl(f"http://{address}/100k").stdout.encode()
    kills = [60_000, 40_000, 20_000]

    def now_and_then(received):
        if kills and received > kills[-1]:
            kills.pop()
            restart(networked)

    with world.connect(address, 80, receive_buffer=SLOWLY) as connection:
        assert download(connection, until=now_and_then) == whole
    assert kills == [] and len(whole) == PAGE


def test_curl_goes_on(networked, world):
    """A client as there are: it sees a pause at most."""
    address = address_of(networked, net_guest(networked))
    whole = world.curl(f"http://{address}/100k").stdout
    client = world.start(tool("curl"), "--silent", "--show-error", "--no-buffer", "--limit-rate", "50k",
                         f"http://{address}/100k", stdout=subprocess.PIPE)
    begin = client.stdout.read(10_000)
    restart(networked)
    assert begin + client.stdout.read() == whole.encode()
    assert client.wait(host.DEADLINE) == 0


def test_published_port_goes_on(daemon):
    guest = daemon.create("echo", memory=8, vifs=[{}])
    port = daemon.client().call("forward.add", id=guest["id"], host_port=0, guest_port=7)["host_port"]
    with socket.create_connection(("127.0.0.1", port), host.DEADLINE) as connection:
        for round_number in range(3):
            say(connection, b"round %d" % round_number)
            restart(daemon)
        say(connection, b"to the end")
    listed = daemon.client().call("forward.list")["forwards"]
    assert [forward["host_port"] for forward in listed] == [port]
    with socket.create_connection(("127.0.0.1", port), host.DEADLINE) as connection:
        say(connection, b"a new one")


def test_forwarder_and_daemon_die(daemon):
    guest = daemon.create("echo", memory=8, vifs=[{}])
    port = daemon.client().call("forward.add", id=guest["id"], host_port=0, guest_port=7)["host_port"]
    (forwarder,) = daemon.programs("chaos-forward")
    daemon.kill()
    os.kill(forwarder, signal.SIGKILL)
    assert host.wait_end(forwarder)
    daemon.start()
    with socket.create_connection(("127.0.0.1", port), host.DEADLINE) as connection:
        say(connection, b"again")


def test_wrk_meanwhile(networked, world):
    """Not one of its requests fails."""
    url = f"http://{address_of(networked, net_guest(networked))}:80/1k"
    done = []
    client = threading.Thread(target=lambda: done.append(world.wrk(url, seconds=3, connections=8)))
    client.start()
    guest = networked.client().call("domain.list")["domains"][0]
    sent = count(networked, guest, "vif", "tx_packets")
    host.until(lambda: count(networked, guest, "vif", "tx_packets") > sent + 100, what="it is at work")
    restart(networked)
    client.join(host.DEADLINE)
    assert done and done[0] > 0


# ---- disks


def test_disk_is_worked_on_without_an_error(daemon):
    path = sparse_file(daemon, 4 * MIB)
    guest = daemon.create("blkcheck", memory=16, vbds=[{"target": str(path)}], cmdline="mode=verify loop=1")
    for _ in range(4):
        written = count(daemon, guest, "vbd", "written_bytes")
        host.until(lambda: count(daemon, guest, "vbd", "written_bytes") > written + MIB, what="it writes")
        restart(daemon)
        await_served(daemon, guest)
    written = count(daemon, guest, "vbd", "written_bytes")
    host.until(lambda: count(daemon, guest, "vbd", "written_bytes") > written + 8 * MIB, what="two rounds more")
    assert count(daemon, guest, "vbd", "errors") == 0
    (shown,) = daemon.client().call("domain.list")["domains"]
    assert shown["state"] in ("running", "blocked")


def test_nobody_else_gets_the_disk_meanwhile(daemon):
    """Held again by the daemon that comes next, before anybody can ask for it."""
    path = sparse_file(daemon, MIB)
    daemon.create("noop", vbds=[{"target": str(path)}], name="owner")
    restart(daemon)
    result = daemon.cli("create", daemon.write_config(vbds=[{"target": str(path)}]))
    assert result.returncode == 1 and "in use" in result.stderr, result.stderr


def test_disk_that_is_gone(daemon):
    """Its device is stopped, and says why; its guest lives, and one that waits for it hears of it."""
    path = sparse_file(daemon, MIB)
    other = sparse_file(daemon, 4 * MIB, "other.img")
    guest = daemon.create("echo", vbds=[{"target": str(path)}])
    waiting = daemon.create("blkcheck", memory=16, vbds=[{"target": str(other)}], cmdline="mode=verify loop=1")
    host.until(lambda: count(daemon, waiting, "vbd", "written_bytes") > 0, what="blkcheck at work")
    daemon.kill()
    path.unlink()
    other.unlink()
    daemon.start()
    assert str(path) in await_stopped(daemon, guest, "vbd")
    Console(daemon, waiting).read_until(b"error of the disk")
    console = Console(daemon, guest)
    console.type("alive\n")
    console.read_until(b"alive")


def test_twenty_kills(networked, world):
    """Open connections over a tap device and over a published port, and a disk at work: all go on."""
    client = networked.client()
    path = sparse_file(networked, 4 * MIB)
    near, far = net_guest(networked, "echo"), networked.create("echo", memory=8, vifs=[{}])
    worker = networked.create("blkcheck", memory=16, vbds=[{"target": str(path)}], cmdline="mode=verify loop=1")
    port = client.call("forward.add", id=far["id"], host_port=0, guest_port=7)["host_port"]
    with world.connect(address_of(networked, near), 7) as over_tap, world.connect("127.0.0.1", port) as published:
        for round_number in range(20):
            for connection in (over_tap, published):
                say(connection, b"round %d" % round_number)
            written = count(networked, worker, "vbd", "written_bytes")
            host.until(lambda written=written: count(networked, worker, "vbd", "written_bytes") > written + MIB,
                       what="the disk is written")
            restart(networked)
        for connection in (over_tap, published):
            say(connection, b"to the end")
    await_served(networked, worker)
    read = count(networked, worker, "vbd", "read_bytes")
    host.until(lambda: count(networked, worker, "vbd", "read_bytes") > read + 8 * MIB, what="two rounds more")
    assert count(networked, worker, "vbd", "errors") == 0
    assert {domain["state"] for domain in networked.ask("domain.list")["domains"]} <= {"running", "blocked"}


# ---- what is on record


def test_devices_are_as_before(networked, world):
    path = sparse_file(networked, MIB)
    guest = networked.create("httpd", memory=8, vifs=[{"bridge": "net"}, {}], vbds=[{"target": str(path), "access": "r"}])
    keys = ("type", "id", "mac", "ip", "bridge", "target", "vdev", "access")

    def known():
        return [{key: device.get(key) for key in keys} for device in devices_of(networked, guest)]

    world.ping(address_of(networked, guest))
    before = known()
    restart(networked)
    assert known() == before
    world.ping(address_of(networked, guest))
    assert device_of(networked, guest, "vif")["backend"] == "connected"


def test_networks_are_as_before(networked, world):
    make_network(networked, "second", "10.6.0.1/24", nat=True)

    def known():
        keys = ("name", "address", "uplink", "bridge", "nat", "uplink_error", "forwards")
        return [{key: network[key] for key in keys} for network in networked.ask("network.list")["networks"]]

    before = known()
    restart(networked)
    assert known() == before
    networked.terminate()
    assert "10.6.0.1" in world.ip("address show second")  # a tap stays: connections go on
    networked.start()
    assert known() == before


def test_tap_that_somebody_removed_meanwhile(networked, world):
    guest = net_guest(networked)
    networked.kill()
    world.ip("link delete net")
    networked.start()
    assert GATEWAY in world.ip("address show net")
    world.ping(address_of(networked, guest))


def test_address_of_a_guest_that_ended_meanwhile(networked, world):
    guest = net_guest(networked)
    address = address_of(networked, guest)
    networked.client().call("forward.add", id=guest["id"], host_port=0, guest_port=80)
    body = networked.behind.body_of(guest)
    networked.kill()
    networked.behind.kill(body)
    networked.start()
    host.until(lambda: networked.names() == [], what="the ended domain is cleared")
    assert networked.client().call("forward.list")["forwards"] == []
    assert address_of(networked, net_guest(networked)) == address


@pytest.mark.slow
def test_many_guests_are_adopted_with_their_devices(networked, world):
    guests = networked.create("httpd", memory=8, vifs=[{"bridge": "net"}], count=100)
    addresses = [address_of(networked, guest) for guest in guests]
    page = world.curl(f"http://{addresses[0]}/1k").stdout
    for _ in range(3):
        restart(networked)
        assert world.curl(*(f"http://{address}/1k" for address in addresses)).stdout == page * len(addresses)
    assert [address_of(networked, guest) for guest in guests] == addresses
