# SPDX-License-Identifier: Apache-2.0
"""Published ports: guests' services on sockets of the host, without any privilege. These tests need none either."""

import json
import os
import socket
import subprocess

import pytest

from rig import host
from rig.devices import address_of
from rig.network import tool
from rig.rpc import RpcError

MAY_BIND_LOW_PORTS = 1 << 10  # CAP_NET_BIND_SERVICE
PAGE = 100 * 1024  # bytes of httpd's /100k
LONG_ENOUGH = 6  # seconds; split-toolstack/networks_ports.cpp has 5


def publish(daemon, guest, guest_port=80, host_port=0, **keys):
    """On any free port of this machine; returns it."""
    made = daemon.client().call("forward.add", {"id": guest["id"], "host_port": host_port, "guest_port": guest_port, **keys})
    return made["host_port"]


def curl(*arguments):
    return subprocess.run([tool("curl"), "--silent", "--show-error", "--max-time", str(host.DEADLINE), *arguments],
                          capture_output=True, text=True)


def page(port, path="/100k"):
    shown = curl(f"http://127.0.0.1:{port}{path}")
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def web_guest(daemon, **keys):
    return daemon.create("httpd", vifs=[{}], memory=8, **keys)


def is_refused(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(params=("root", "nobody"))
def anybodys(request, make_daemon):
    """A daemon of each of two users; of the one who runs this where that is not root."""
    if request.param == "root":
        return make_daemon()
    if os.geteuid() != 0:
        pytest.skip("only root can become another user, and the other half of this test has no privilege already")
    if request.getfixturevalue("driver") != "process":
        pytest.skip("nobody may use this driver's device")
    daemon = make_daemon(start=False)
    daemon.give_to_nobody()
    daemon.wrapper = host.NOBODY
    return daemon.start()


def test_published_port(anybodys):
    guest = web_guest(anybodys)
    port = publish(anybodys, guest)
    assert len(page(port)) == PAGE
    shown = curl("--head", f"http://127.0.0.1:{port}/1k").stdout
    assert "200" in shown.splitlines()[0]


def test_low_port(anybodys):
    """Needs a privilege, and says so."""
    guest, port = web_guest(anybodys), 999
    listen = f"127.{1 + os.getpid() // 60_000}.{os.getpid() // 250 % 240}.{1 + os.getpid() % 250}"  # nobody else's
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
        anybodys_port = int(file.read()) <= port
    if anybodys.wrapper == [] or anybodys_port:
        assert publish(anybodys, guest, host_port=port, listen=listen) == port
        return
    with pytest.raises(RpcError) as error:
        publish(anybodys, guest, host_port=port, listen=listen)
    assert error.value.name == "permission_denied" and "CAP_NET_BIND_SERVICE" in error.value.message
    assert anybodys.client().call("forward.list")["forwards"] == []


def test_many_clients_of_one_port(daemon):
    port = publish(daemon, web_guest(daemon))
    urls = [f"http://127.0.0.1:{port}/100k"] * 40
    shown = curl("--parallel", "--parallel-max", "10", "--fail", "--write-out", "%{http_code} %{size_download}\n",
                 *[word for url in urls for word in ("--output", "/dev/null", url)])
    assert shown.stdout.splitlines() == [f"200 {PAGE}"] * 40, shown.stdout + shown.stderr


def test_several_guests_and_ports(daemon):
    first, second = web_guest(daemon), daemon.create("echo", vifs=[{}], memory=8)
    web, echo = publish(daemon, first), publish(daemon, second, 7)
    assert len(page(web)) == PAGE
    with socket.create_connection(("127.0.0.1", echo), host.DEADLINE) as connection:
        connection.sendall(b"through a published port")
        assert connection.recv(100) == b"through a published port"
    listed = {f["host_port"]: f for f in daemon.client().call("forward.list")["forwards"]}
    assert listed.keys() == {web, echo}
    assert listed[web]["guest_port"] == 80 and listed[web]["guest"] == address_of(daemon, first)


def test_verbs(daemon):
    guest = web_guest(daemon, name="web")
    port = free_port()
    made = daemon.cli("forward", "web", f"{port}:80")
    assert made.returncode == 0, made.stderr
    assert len(page(port)) == PAGE
    assert str(port) in daemon.cli("forward", "--list").stdout
    (listed,) = json.loads(daemon.cli("forward", "--list", "--json").stdout)["forwards"]
    assert listed["host_port"] == port and listed["guest"] == address_of(daemon, guest)
    removed = daemon.cli("forward", "--remove", port)
    assert removed.returncode == 0, removed.stderr
    host.until(lambda: is_refused(port), what="the port is closed")
    assert daemon.client().call("forward.list")["forwards"] == []


def free_port():
    """Free a moment ago, at least."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_port_goes_with_its_guest(daemon):
    guest = web_guest(daemon)
    port = publish(daemon, guest)
    page(port, "/")
    daemon.client().call("domain.destroy", id=guest["id"])
    host.until(lambda: is_refused(port), what="the port is closed")
    assert daemon.client().call("forward.list")["forwards"] == []
    host.until(lambda: daemon.programs("chaos-forward") == [], what="nothing publishes any more")


def test_port_in_use(daemon):
    guest = web_guest(daemon)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RpcError) as error:
            publish(daemon, guest, host_port=port)
        assert str(port) in error.value.message and "in use" in error.value.message, error.value.message
    ours = publish(daemon, guest)
    with pytest.raises(RpcError) as error:
        publish(daemon, guest, host_port=ours)
    assert str(ours) in error.value.message, error.value.message
    assert len(page(ours)) == PAGE


def test_guest_without_a_vif(daemon):
    guest = daemon.create("noop")
    with pytest.raises(RpcError) as error:
        publish(daemon, guest)
    assert error.value.name == "bad_state" and "vif" in error.value.message
    assert daemon.programs("chaos-forward") == []


@pytest.mark.parametrize("words, exit_code", [
    (("web", "80"), 2), (("web", "0:0"), 2), (("web", "1:70000"), 2), (("web", "x:80"), 2), (("web", "-1:80"), 2),
    (("web", "nowhere.invalid:8000:80"), 2), (("nobody", "8000:80"), 3), (("--remove", "1"), 2), ((), 2),
])
def test_wrong_use(daemon, words, exit_code):
    web_guest(daemon, name="web")
    result = daemon.cli("forward", *words)
    assert result.returncode == exit_code, result.stderr
    assert result.stderr.startswith("chaos")


def test_port_that_nobody_serves(daemon):
    """The connection is made, and ends without a word; others go on."""
    guest = web_guest(daemon)
    closed, served = publish(daemon, guest, 81), publish(daemon, guest)
    with socket.socket() as connection:
        connection.settimeout(host.DEADLINE)
        try:
            connection.connect(("127.0.0.1", closed))
            assert connection.recv(1) == b""
        except ConnectionError:
            pass
    assert len(page(served)) == PAGE


def test_forwarder_that_dies(daemon):
    """As soon as it was started: it is not tried for ever. Who publishes the next port gets the others back too."""
    guest = web_guest(daemon)
    port = publish(daemon, guest)
    (forwarder,) = daemon.programs("chaos-forward")
    os.kill(forwarder, 9)
    host.until(lambda: daemon.programs("chaos-forward") == [] and "chaos-forward" in daemon.log_text()
               or daemon.programs("chaos-forward") not in ([], [forwarder]), what="its death is noticed")
    other = publish(daemon, guest)
    for each in (port, other):
        assert len(page(each)) == PAGE


@pytest.mark.slow
def test_forwarder_that_is_killed(daemon):
    """One that has lived for long enough is started again, with its ports; connections through it end."""
    guest = daemon.create("echo", vifs=[{}], memory=8)
    ports = [publish(daemon, guest, 7) for _ in range(3)]
    (forwarder,) = daemon.programs("chaos-forward")
    host.until(lambda: host.age(forwarder) > LONG_ENOUGH, what="it has lived for long enough")
    with socket.create_connection(("127.0.0.1", ports[0]), host.DEADLINE) as connection:
        connection.sendall(b"one")
        assert connection.recv(100) == b"one"
        os.kill(forwarder, 9)
        try:
            assert connection.recv(100) == b""
        except ConnectionError:
            pass
    host.until(lambda: daemon.programs("chaos-forward") not in ([], [forwarder]), what="there is another")
    for port in ports:
        host.until(lambda port=port: not is_refused(port), what="its ports are back")
        with socket.create_connection(("127.0.0.1", port), host.DEADLINE) as connection:
            connection.sendall(b"two")
            assert connection.recv(100) == b"two"
    assert [f["host_port"] for f in daemon.client().call("forward.list")["forwards"]] == ports


def test_forwarder_is_confined(daemon):
    publish(daemon, web_guest(daemon))
    (forwarder,) = daemon.programs("chaos-forward")
    for status in host.thread_statuses(forwarder):
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[kind], 16) & ~MAY_BIND_LOW_PORTS == 0, kind
