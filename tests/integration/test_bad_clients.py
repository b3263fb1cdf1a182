# SPDX-License-Identifier: Apache-2.0
"""Clients that break the protocol, vanish or never read. Others must not notice."""

import json
import os
import select
import socket

import pytest

from rig import host
from rig.events import Events
from rig.rpc import Disconnected, RpcError

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602


@pytest.fixture(autouse=True)
def others_do_not_notice(daemon):
    yield
    domain = daemon.create("noop")
    assert domain["state"] in ("running", "blocked")


@pytest.mark.parametrize("line, number", [
    (b"garbage", PARSE_ERROR),
    (b"{", PARSE_ERROR),
    (b'{"a": "\xff\xfe"}', PARSE_ERROR),
    (b"\x00\x01\x02", PARSE_ERROR),
    (b"[" * 50000, PARSE_ERROR),
    (b"17", INVALID_REQUEST),
    (b"[]", INVALID_REQUEST),
    (b"{}", INVALID_REQUEST),
    (b'{"jsonrpc":"1.0","id":1,"method":"hello"}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":7}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":"no.such.method"}', NO_METHOD),
    (b'{"jsonrpc":"2.0","id":1,"method":"domain.get","params":[1]}', INVALID_REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":"domain.get","params":{"id":"x","name":5}}', INVALID_PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"domain.get","params":{}}', INVALID_PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"domain.get","params":{"id":1,"colour":2}}', INVALID_PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"domain.get","params":{"id":70000}}', None),
    (b'{"jsonrpc":"2.0","id":1,"method":"domain.create","params":{}}', None),
    (b'{"jsonrpc":"2.0","id":1,"method":"domain.create","params":{"config":7}}', None),
    (b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{"since":"soon"}}', None),
])
def test_malformed_line_gets_an_error_and_the_connection_lives(client, line, number):
    client.send_raw(line + b"\n")
    reply = client.receive()
    assert number is None or reply["error"]["code"] == number
    assert reply["error"]["message"]
    assert client.call("hello")["version"]


@pytest.mark.parametrize("params", [
    {"count": 0}, {"count": -1}, {"count": 10**9}, {"count": "many"}, {"wait": "forever"}, {"timeout_ms": -1},
    {"unknown": 1},
])
def test_bad_create_params(daemon, client, params):
    with pytest.raises(RpcError):
        client.call("domain.create", {"config": daemon.config("noop"), **params})
    assert daemon.names() == []


def test_relative_kernel_over_the_api(daemon, client):
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": "guests/noop.elf", "memory": 4})
    assert "kernel" in error.value.message


def test_empty_lines_are_nothing(client):
    client.send_raw(b"\n\r\n")
    assert client.call("hello")["version"]


def test_one_request_byte_by_byte(client):
    for byte in b'{"jsonrpc":"2.0","id":"slow","method":"hello"}\n':
        client.send_raw(bytes([byte]))
    assert client.receive()["id"] == "slow"


def test_many_requests_in_one_write(client):
    lines = [json.dumps({"jsonrpc": "2.0", "id": i, "method": "hello"}) for i in range(500)]
    client.send_raw(("\n".join(lines) + "\n").encode())
    assert [client.receive()["id"] for _ in lines] == list(range(500))


def test_line_without_end_is_refused(client):
    with pytest.raises((Disconnected, BrokenPipeError, ConnectionResetError)):
        for _ in range(64):
            client.send_raw(b"x" * 65536)
        while "error" in client.receive():
            pass


def test_half_a_line_then_gone(daemon):
    client = daemon.client()
    client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"domain.cre')
    client.close()


def test_disconnect_while_a_create_waits(daemon):
    events = Events(daemon)
    client = daemon.client()
    client.send("domain.create", {"config": daemon.config("fault", cmdline="fault=never-ready", name="left"),
                                  "wait": "ready"})
    events.wait("created", name="left")
    client.close()
    assert daemon.names() == ["left"]
    daemon.client().call("domain.destroy", name="left")


def test_disconnect_in_the_middle_of_a_large_create(daemon):
    client = daemon.client()
    client.send("domain.create", {"config": daemon.config("noop", name="many"), "count": 200, "wait": "ready"})
    client.close()
    other = daemon.client()
    other.call("hello")
    other.call("domain.destroy", all=True, timeout=60)
    host.until(lambda: not other.call("domain.list")["domains"] or other.call("domain.destroy", all=True) is None,
               what="no domain is left")


def fill_until_blocked(sock, line):
    """Sends without ever reading, until the daemon stops reading or closes; at most 64 MiB."""
    sock.setblocking(False)
    sent = 0
    while sent < 64 << 20:
        try:
            sent += sock.send(line)
        except BlockingIOError:
            if not select.select([], [sock], [], 0.5)[1]:
                return sent
        except (BrokenPipeError, ConnectionResetError):
            return sent
    return sent


def test_client_that_never_reads_replies(daemon):
    client = daemon.client()
    rss_before = int(host.status(daemon.process.pid)["VmRSS"].split()[0])
    line = b'{"jsonrpc":"2.0","id":1,"method":"metrics.get"}\n' * 100
    assert fill_until_blocked(client.socket, line) < 64 << 20
    rss = int(host.status(daemon.process.pid)["VmRSS"].split()[0])
    assert rss - rss_before < 32 * 1024  # KiB
    daemon.client().call("hello")


def test_subscriber_that_never_reads_is_dropped(make_daemon):
    daemon = make_daemon(config={"limits": {"notifications": "64KiB"}})
    deaf = daemon.client()
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.call("events.subscribe")
    client = daemon.client()
    for _ in range(100):
        daemon.create("noop", client, count=10)
        client.call("domain.destroy", all=True)
    with pytest.raises(Disconnected):
        while True:
            deaf.receive()


def test_too_many_connections(make_daemon):
    daemon = make_daemon(config={"limits": {"connections": 8}})
    first = daemon.client()
    first.call("hello")
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for sock in crowd:
        sock.connect(daemon.socket)
    first.call("hello")
    for sock in crowd:
        sock.close()
    host.until(lambda: daemon._answers(), what="a new client is served")


def test_random_bytes(daemon):
    for _ in range(20):
        client = daemon.client()
        try:
            client.send_raw(os.urandom(4096) + b"\n")
            client.receive()
        except (Disconnected, BrokenPipeError, ConnectionResetError):
            pass
