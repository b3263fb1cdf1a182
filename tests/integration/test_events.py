# SPDX-License-Identifier: Apache-2.0
"""Events: order, sequence numbers, resuming."""

import json
import subprocess

from rig.chaosd import CHAOS
from rig.events import Events


def test_a_life_in_events(daemon, client):
    events = Events(daemon)
    domain = daemon.create("noop", client, name="web")
    client.call("domain.pause", id=domain["id"])
    client.call("domain.unpause", id=domain["id"])
    client.call("domain.rename", id=domain["id"], new_name="www")
    client.call("domain.destroy", id=domain["id"])
    events.wait("destroyed", id=domain["id"])
    assert events.kinds_of(domain) == ["created", "ready", "paused", "unpaused", "renamed", "destroyed"]


def test_sequence_numbers_have_no_gap(daemon, client):
    events = Events(daemon)
    last = daemon.create("noop", client, count=20)[-1]
    events.wait("ready", id=last["id"])
    client.call("domain.destroy", all=True)
    events.wait("destroyed", id=last["id"])
    numbers = [event["seq"] for event in events.seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_resume_replays_what_was_missed(daemon, client):
    first = Events(daemon)
    domain = daemon.create("noop", client)
    seen = first.wait("ready", id=domain["id"])["seq"]
    first.client.close()
    client.call("domain.destroy", id=domain["id"])
    resumed = Events(daemon, since=seen)
    event = resumed.wait("destroyed", id=domain["id"])
    assert event["seq"] == seen + 1
    assert [e["seq"] for e in resumed.seen] == [seen + 1]


def test_resume_says_when_too_much_was_missed(make_daemon):
    daemon = make_daemon(config={"limits": {"events": 16}})
    client = daemon.client()
    for _ in range(20):
        client.call("domain.destroy", id=daemon.create("noop", client)["id"])
    assert Events(daemon, since=1).reply["missed"]


def test_every_subscriber_gets_all(daemon, client):
    subscribers = [Events(daemon) for _ in range(5)]
    domain = daemon.create("noop", client)
    assert len({events.wait("ready", id=domain["id"])["seq"] for events in subscribers}) == 1


def test_cli_events_as_json(daemon, client):
    with subprocess.Popen([CHAOS, "--socket", daemon.socket, "--json", "events", "--since", "0"], text=True,
                          stdout=subprocess.PIPE) as process:
        domain = daemon.create("noop", client, name="seen")
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "created":
                break
        process.terminate()
    assert event["id"] == domain["id"]
