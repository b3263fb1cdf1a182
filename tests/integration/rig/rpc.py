# SPDX-License-Identifier: Apache-2.0
"""A small JSON-RPC client: one object per line over a unix socket."""

import collections
import json
import select
import socket
import time

from rig.host import DEADLINE


class RpcError(Exception):
    """An error reply; `name` is the stable code of the project, `number` that of JSON-RPC."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.number = error["code"]
        self.message = error["message"]
        self.data = error.get("data") or {}
        self.name = self.data.get("code")


class Disconnected(Exception):
    pass


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""
        self.next_id = 1
        self.notifications = collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.settimeout(DEADLINE)
        self.socket.sendall(data)

    def send(self, method, params):
        request = {"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}
        self.next_id += 1
        self.send_raw(json.dumps(request).encode() + b"\n")
        return request["id"]

    def receive(self, timeout=DEADLINE):
        """The next object of any kind."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.socket], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"nothing from the daemon for {timeout:g} s")
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Disconnected
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def reply_to(self, number, timeout=DEADLINE):
        while True:
            message = self.receive(timeout)
            if "method" in message:
                self.notifications.append(message)
            elif message.get("id") == number:
                if "error" in message:
                    raise RpcError(message["error"])
                return message["result"]

    def call(self, method, params=None, timeout=DEADLINE, **named):
        return self.reply_to(self.send(method, {**(params or {}), **named}), timeout)

    def notification(self, method, wanted=lambda params: True, timeout=DEADLINE):
        """The params of the next notification of this kind; others before it are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.any_notification(max(0.001, deadline - time.monotonic()))
            if message.get("method") == method and wanted(message["params"]):
                return message["params"]

    def any_notification(self, timeout=DEADLINE):
        """The next one, whole."""
        return self.notifications.popleft() if self.notifications else self.receive(timeout)
