# SPDX-License-Identifier: Apache-2.0
"""A client that reads and types at a console."""

import base64


class Console:
    """Attached on a connection of its own; `text` is all that it has seen."""

    def __init__(self, daemon, domain, history=True):
        self.client = daemon.client()
        self.id = domain["id"]
        self.text = b""
        self.client.call("console.attach", id=self.id, history=history)

    def read_until(self, wanted):
        while wanted not in self.text:
            self._take(self.client.notification("console.output"))
        return self.text

    def read_to_end(self):
        """Of a guest that ends."""
        while (message := self.client.any_notification())["method"] != "console.closed":
            self._take(message["params"])
        return self.text

    def _take(self, params):
        self.text += base64.b64decode(params["data_b64"]) if "data_b64" in params else params["data"].encode()

    def type(self, text):
        """Returns how many bytes the guest's ring took."""
        return self.client.call("console.input", id=self.id, data=text)["accepted"]
