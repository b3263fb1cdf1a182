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
    pids = [daemon.process.pid, *daemon.behind.owner_pids()]
    bodies = daemon.behind.bodies()

    def used_so_far():
        return {**{f"process {pid}": host.cpu_ns(pid) for pid in pids},
                **{f"domain or shell {body}": daemon.behind.cpu_ns(body) for body in bodies}}

    client = daemon.client()
    client.call("hello")
    # What a launch leaves to be done (a pool that shrinks) may take one more round.
    for _ in range(5):
        before = used_so_far()
        select.select([client.socket], [], [], QUIET_SECONDS)  # the daemon has nothing to say: a bounded quiet time
        used = {name: value - before[name] for name, value in used_so_far().items()}
        if not any(used.values()):
            return
    pytest.fail(f"CPU used while idle, ns: { {name: n for name, n in used.items() if n} }")
