# SPDX-License-Identifier: Apache-2.0
"""Clocks of guests, and waiting for a time: across pauses too."""

import re
import time

import pytest

from rig import host
from rig.console import Console

PAUSES = 20
NEAR = 2  # seconds: a guest prints whole ones
PAUSE = 0.2  # seconds, more than the slack
SLACK = 0.05  # seconds: the host may correct its own clock meanwhile


def unix_time(daemon):
    """Between two looks at the host's clock: before, the guest's, after."""
    before = time.time()
    domain = daemon.create("hello", wait="created", on_poweroff="preserve")
    said = Console(daemon, domain).read_until(b"of Unix time.\n")
    return before, int(re.search(rb"at (\d+) s of Unix time", said).group(1)), time.time()


def test_wall_clock_is_the_hosts(daemon):
    before, told, after = unix_time(daemon)
    assert before - NEAR < told < after + NEAR


@pytest.mark.slow
def test_wall_clock_of_a_shell_that_was_parked(daemon, client):
    """The clock is not that of the moment when the shell was made."""
    daemon.await_full_pool(client)
    made = time.time()
    host.until(lambda: time.time() > made + 2 * NEAR, what="the shell is older")
    before, told, after = unix_time(daemon)
    assert before - NEAR < told < after + NEAR


only_shared_clock = pytest.mark.drivers("process", "kvm", reason="Xen's system time is not dom0's")
several = pytest.param(4, marks=pytest.mark.drivers("kvm", reason="this driver runs one vCPU a guest"))


class Ticks:
    """A guest that waits a millisecond, again and again, and tells the time at every tenth."""

    def __init__(self, daemon, client, vcpus=1):
        self.daemon, self.client = daemon, client
        self.domain = daemon.create("smp", client, cmdline="tick=1", vcpus={"count": vcpus})
        self.body = daemon.behind.body_of(self.domain)
        self.console = Console(daemon, self.domain)

    def told(self):
        """Its monotonic clock, in seconds, at the ticks that have not been looked at yet; at least one."""
        self.console.text = self.console.text.rpartition(b"\n")[2]
        said = self.console.read_until(b" us\n")
        return [int(us) / 1e6 for us in re.findall(rb"tick \d+ at (\d+) us\n", said)]

    def next(self):
        return self.told()[-1]

    def after_a_gap(self, last):
        """The clock at the first tick that comes long after the one before it; `last` was told already."""
        for _ in range(200):
            for now in self.told():
                if now - last > PAUSE - SLACK:
                    return now
                last = now
        raise AssertionError("the clock does not know of the pause")

    def pause(self):
        self.client.call("domain.pause", id=self.domain["id"])
        host.until(lambda: self.daemon.behind.is_stopped(self.body), what="it has stopped")

    def unpause(self):
        self.client.call("domain.unpause", id=self.domain["id"])


@pytest.mark.parametrize("vcpus", (1, several))
def test_pauses_in_a_timed_wait(daemon, client, vcpus):
    """Each falls into one, as good as always: the wait goes on or ends after it."""
    ticks = Ticks(daemon, client, vcpus)
    before = ticks.next()
    for _ in range(PAUSES):
        ticks.pause()
        ticks.unpause()
        now = ticks.next()
        assert now > before
        before = now
    assert daemon.names() == [ticks.domain["name"]]


@only_shared_clock
def test_monotonic_clock_is_the_hosts(daemon, client):
    """While the guest is paused too."""
    ticks = Ticks(daemon, client)
    for _ in range(5):
        before = ticks.next()
        begin = time.monotonic()
        ticks.pause()
        host.until(lambda: time.monotonic() > begin + PAUSE, what="the guest has lost some time")
        unpaused = time.monotonic()
        ticks.unpause()
        told = ticks.after_a_gap(before)
        assert unpaused - SLACK < told < time.monotonic() + SLACK


@only_shared_clock
def test_clock_of_a_guest_that_was_adopted(daemon, client):
    ticks = Ticks(daemon, client)
    before = ticks.next()
    ticks.pause()
    begin = time.monotonic()
    daemon.kill()
    daemon.start()
    ticks.client, ticks.console = daemon.client(), Console(daemon, ticks.domain)
    host.until(lambda: time.monotonic() > begin + PAUSE, what="the guest has lost some time")
    unpaused = time.monotonic()
    ticks.unpause()
    told = ticks.after_a_gap(before)
    assert unpaused - SLACK < told < time.monotonic() + SLACK
