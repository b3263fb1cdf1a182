# SPDX-License-Identifier: Apache-2.0
"""Waiting for what the daemon announces."""

from rig import host


class Events:
    """A connection of its own that has subscribed; remembers everything that it saw."""

    def __init__(self, daemon, since=None):
        self.client = daemon.client()
        self.seen = []
        self.reply = self.client.call("events.subscribe", {} if since is None else {"since": since})

    def wait(self, kind, timeout=host.DEADLINE, **wanted):
        """The first event of this kind whose fields are as wanted, past ones included."""
        def fits(event):
            return event["event"] == kind and all(event.get(key) == value for key, value in wanted.items())

        for event in self.seen:
            if fits(event):
                return event
        while True:
            event = self.client.notification("event", timeout=timeout)
            self.seen.append(event)
            if fits(event):
                return event

    def kinds_of(self, domain):
        return [event["event"] for event in self.seen if event.get("id") == domain["id"]]
