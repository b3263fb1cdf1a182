# SPDX-License-Identifier: Apache-2.0
"""Console output, input, several clients, floods."""

import pytest

from rig import host
from rig.console import Console
from rig.events import Events
from rig.rpc import RpcError


def test_hello_prints(daemon, client):
    events = Events(daemon)
    domain = daemon.create("hello", client, wait="created", on_poweroff="preserve")
    events.wait("shutdown", id=domain["id"])
    assert b"Hello" in Console(daemon, domain).read_until(b"Hello")


def test_output_of_an_ended_guest_is_kept(daemon, client):
    result = daemon.cli("create", "-c", daemon.write_config(kernel=daemon.config("hello")["kernel"]))
    assert result.returncode == 0, result.stderr
    assert "Hello" in result.stdout


def test_echo_round_trip(daemon, client):
    console = Console(daemon, daemon.create("echo", client))
    for word in ("one", "two", "three"):
        console.type(word + "\n")
        console.read_until(word.encode())


def test_two_clients_see_the_same(daemon, client):
    domain = daemon.create("echo", client)
    first, second = Console(daemon, domain), Console(daemon, domain)
    first.type("from-first\n")
    second.read_until(b"from-first")
    second.type("from-second\n")
    first.read_until(b"from-second")


def test_history_is_shown_to_who_comes_late(daemon, client):
    domain = daemon.create("echo", client)
    early = Console(daemon, domain)
    early.type("early-word\n")
    early.read_until(b"early-word")
    assert b"early-word" in Console(daemon, domain).read_until(b"early-word")


def test_a_reader_that_goes_away_hurts_nobody(daemon, client):
    domain = daemon.create("echo", client)
    gone, stays = Console(daemon, domain), Console(daemon, domain)
    gone.client.close()
    stays.type("still-here\n")
    stays.read_until(b"still-here")


def await_console_metric(client, part, more_than):
    host.until(lambda: metric(client.call("metrics.get"), part) > more_than, what=f"{part} is above {more_than}")


@pytest.mark.drivers("process", "kvm", reason="no emulated guest prints as fast as the throttle allows")
def test_flood_is_throttled(daemon, client):
    daemon.create("fault", client, cmdline="fault=console-flood ready=1")
    await_console_metric(client, "console_throttled", 0)


def test_others_launch_during_a_flood(daemon, client):
    flooder = daemon.create("fault", client, cmdline="fault=console-flood ready=1")
    await_console_metric(client, "console_bytes", 64 << 10)
    for _ in range(20):
        other = daemon.create("noop", client)
        client.call("domain.destroy", id=other["id"])
    client.call("domain.destroy", id=flooder["id"])


def metric(reply, part):
    """Sum of the samples whose name holds `part`."""
    total = 0.0
    for line in reply["text"].splitlines():
        if line and not line.startswith("#") and part in line.split("{")[0].split(" ")[0]:
            total += float(line.rsplit(" ", 1)[1])
    return total


def test_log_of_a_flood_is_bounded(daemon, client):
    domain = daemon.create("fault", client, cmdline="fault=console-flood ready=1", console={"log": "16KiB"})
    await_console_metric(client, "console_bytes", 128 << 10)
    assert all(path.stat().st_size < 20 * 1024 for path in (daemon.state / "console").glob("*"))
    client.call("domain.destroy", id=domain["id"])


def test_console_of_a_guest_without_one(daemon, client):
    domain = daemon.create("noop", client, console=False)
    with pytest.raises(RpcError):
        client.call("console.attach", id=domain["id"])


def test_more_input_than_a_ring_holds(daemon, client):
    console = Console(daemon, daemon.create("echo", client))
    assert 0 < console.type("x" * 5000) < 5000
    console.read_until(b"x")
    host.until(lambda: console.type("\nthe-end\n") == 9, what="room for more input")
    console.read_until(b"the-end")


def test_cli_console_pipes_input_and_ends_with_the_guest(daemon, client):
    daemon.create("echo", client, name="e")
    result = daemon.cli("console", "e", stdin="ping\nexit\n")
    assert "ping" in result.stdout
    host.until(lambda: daemon.names() == [], what="echo has powered off")


def test_cli_console_after_end_of_input(daemon, client):
    daemon.create("echo", client, name="e")
    result = daemon.cli("console", "e", stdin="last-words\nexit\n")
    assert "last-words" in result.stdout
    assert result.returncode == 0, result.stderr


def test_cli_console_of_nobody(daemon):
    assert daemon.cli("console", "nobody").returncode == 3


def test_detach(daemon, client):
    domain = daemon.create("echo", client)
    console, other = Console(daemon, domain), Console(daemon, domain)
    console.client.call("console.detach", id=domain["id"])
    other.type("after-detach\n")
    other.read_until(b"after-detach")
    console.client.call("hello")
    assert not any(b"after-detach" in str(n).encode() for n in console.client.notifications)


def test_console_is_closed_when_the_guest_ends(daemon, client):
    console = Console(daemon, daemon.create("echo", client))
    console.type("exit\n")
    assert console.client.notification("console.closed")["id"] == console.id


def test_bytes_that_are_no_text(daemon, client):
    console = Console(daemon, daemon.create("echo", client))
    console.client.call("console.input", id=console.id, data_b64="//79Cg==")  # ff fe fd newline
    console.read_until(b"\xff\xfe\xfd")
