# SPDX-License-Identifier: Apache-2.0
"""Networks of a test's own: namespaces that hold a daemon's uplinks and the clients of its guests. They have no name, so
any number of tests may have them at a time, and end with the process that made them, however that ends."""

import concurrent.futures
import contextlib
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from rig import host
from rig.devices import make_network

CLONE_NEWNET = 0x40000000  # linux/sched.h
HOLDER = 'ip link set lo up && echo up && exec cat'  # ends when its input does: with us
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17  # linux/sockios.h, linux/ethtool.h


def tool(name):
    """A client's program; where it is missing the test says so."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or pytest.skip(f"no {name} here: scripts/setup")


class Namespace:
    """A network of its own, with a loopback device."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", HOLDER], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.started = []
        assert self.holder.stdout.readline() == b"up\n", "no network namespace"

    @property
    def path(self):
        return f"/proc/{self.holder.pid}/ns/net"

    def enter(self):
        """What goes before a command that is to run inside."""
        return ["nsenter", f"--net={self.path}"]

    def run(self, *words, check=True, **options):
        result = subprocess.run([*self.enter(), *map(str, words)], capture_output=True, text=True,
                                timeout=host.DEADLINE * 2, **options)
        assert not check or result.returncode == 0, f"{words}: {result.returncode}: {result.stdout}{result.stderr}"
        return result

    def start(self, *words, **options):
        """Ends with the namespace, if not before."""
        process = subprocess.Popen([*self.enter(), *map(str, words)], **options)
        self.started.append(process)
        return process

    def ip(self, words):
        return self.run(tool("ip"), *words.split()).stdout

    def socket(self, *arguments):
        """A socket of this network in the test's own process: it stays where the thread was that made it."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(self._socket_in_thread, arguments).result()

    def _socket_in_thread(self, arguments):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(self.path) as handle:
            if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        return socket.socket(*arguments)

    def connect(self, address, port, receive_buffer=None):
        """A TCP connection."""
        connection = self.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(host.DEADLINE)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect((address, port))
        return connection

    def fill_in_checksums(self, device):
        """What leaves through it has them all, as on a real cable: a veth passes on what the sender left to its card."""
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
            fcntl.ioctl(handle, SIOCETHTOOL, struct.pack("16sQ16x", device.encode(), ctypes.addressof(value)))

    def veth_to(self, other, ours, theirs):
        """A cable between two networks."""
        self.ip(f"link add {ours} type veth peer name {theirs} netns {other.holder.pid}")
        self.ip(f"link set {ours} up")
        other.ip(f"link set {theirs} up")

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()

    # ---- clients

    def ping(self, address, *options, count=3):
        """Until so many are answered; those that come late on a busy machine are asked again."""
        self.run(tool("ping"), "-n", "-c", count, "-i", "0.01", "-w", int(host.DEADLINE), *options, address)

    def is_deaf(self, address):
        """Nobody answers for that address; three tries."""
        return self.run(tool("ping"), "-n", "-c", 3, "-i", "0.1", "-W", 1, address, check=False).returncode == 1

    def curl(self, *arguments, check=True):
        return self.run(tool("curl"), "--silent", "--show-error", "--max-time", host.DEADLINE, *arguments, check=check)

    def status_of(self, url):
        return self.curl("--output", "/dev/null", "--write-out", "%{http_code}", url).stdout

    def wrk(self, url, seconds=1, connections=4):
        """Requests that were answered; none may fail. The URL says the port: wrk asks /etc/services for that of http."""
        shown = self.run(tool("wrk"), "--threads", 1, "--connections", connections, "--duration", f"{seconds}s",
                         "--timeout", f"{int(host.DEADLINE)}s", url).stdout
        assert "Socket errors" not in shown and "Non-2xx" not in shown, shown
        return int(re.search(r"(\d+) requests in", shown)[1])

    def netcat(self, address, port, data="", udp=False):
        """What comes back until the other side closes; UDP: one datagram."""
        options = ["-u", "-W", "1"] if udp else ["-N"]
        return self.run(tool("nc"), "-n", "-w", int(host.DEADLINE), *options, address, port, input=data).stdout

    @contextlib.contextmanager
    def capture(self, device, *expression):
        capture = Capture(self, device, expression)
        try:
            yield capture
        finally:
            capture.process.send_signal(signal.SIGKILL)


class Capture:
    """tcpdump on one device: `text` is all that `read_until` has seen."""

    def __init__(self, namespace, device, expression):
        self.text = ""
        self.process = namespace.start(tool("tcpdump"), "-i", device, "-Z", "root", "-n", "-e", "-l", "-t", "-x", "-s", "256",
                                       "--immediate-mode", *expression, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = b""
        while b"listening on" not in said:
            line = self.process.stderr.readline()
            assert line, f"tcpdump ended: {said}"
            said += line

    def read_until(self, wanted):
        """Packets come in order: those before the one that shows `wanted`, in its headers or bytes, have been seen then."""
        while wanted not in self.text:
            host.await_readable(self.process.stdout, what=f"tcpdump shows {wanted!r} after:\n{self.text}\n")
            self.text += os.read(self.process.stdout.fileno(), 1 << 16).decode(errors="replace")
        return self.text


def bridged(daemon, world, outside):
    """A Linux bridge on the host with a network `joined` and, through a cable, another machine."""
    world.ip("link add br0 type bridge")
    world.ip("link set br0 up")
    world.veth_to(outside, "port", "out")
    world.ip("link set port master br0")
    outside.ip("address add 10.8.0.9/24 dev out")
    make_network(daemon, "joined", "10.8.0.1/24", uplink="bridge", bridge="br0")
    return outside


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")


@pytest.fixture
def make_namespace():
    needs_root()
    made = []

    def make():
        made.append(Namespace())
        return made[-1]

    yield make
    for namespace in reversed(made):
        namespace.close()


@pytest.fixture
def world(make_namespace):
    """The host as a daemon in it sees it: the other end of its uplinks."""
    return make_namespace()


@pytest.fixture
def networked(make_daemon, world):
    """A daemon in it, with a network `net` whose uplink is a tap device there."""
    daemon = make_daemon(wrapper=world.enter())
    make_network(daemon)
    return daemon
