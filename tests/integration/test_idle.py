# SPDX-License-Identifier: Apache-2.0
"""Nothing happens: nobody may use the CPU."""

import select

import pytest

from rig import host

QUIET_SECONDS = 2.0


@pytest.mark.slow
@pytest.mark.parametrize("guests", (0, 50))
def test_idle_daemons_and_guests_use_no_cpu(daemon, guests):
    if guests:
        daemon.create("noop", count=guests)
    daemon.await_full_pool()
    watched = [daemon.process.pid, *daemon.owner_pids(), *daemon.domain_pids()]
    client = daemon.client()
    client.call("hello")
    # What a launch leaves to be done (a pool that shrinks) may take one more round.
    for _ in range(5):
        before = {pid: host.cpu_ns(pid) for pid in watched}
        select.select([client.socket], [], [], QUIET_SECONDS)  # the daemon has nothing to say: a bounded quiet time
        used = {pid: host.cpu_ns(pid) - before[pid] for pid in watched}
        if not any(used.values()):
            return
    pytest.fail(f"CPU used while idle, ns by process: { {p: n for p, n in used.items() if n} }")
