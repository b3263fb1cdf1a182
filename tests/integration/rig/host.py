# SPDX-License-Identifier: Apache-2.0
"""What /proc says about processes, and waiting without polling."""

import contextlib
import functools
import os
import pathlib
import select
import subprocess
import time

import pytest

PATIENCE = float(os.environ.get("CHAOS_PATIENCE", 1))  # how many times as slow as usual this machine is
DEADLINE = 30.0 * PATIENCE  # seconds for anything that should be quick, on a busy machine
POLL_INTERVAL = 0.005 * PATIENCE  # seconds
PF_USER_WORKER = 0x4000  # linux/sched.h


def read(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    """Whether the process exists and is no zombie."""
    stat = read(pid, "stat")
    return bool(stat) and stat[stat.rindex(")") + 2] not in "ZX"


def wait_end(pid, timeout=DEADLINE):
    """Waits until a process that need not be our child has ended; whether it did in time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(timeout * 1000))
    finally:
        os.close(handle)


def until(condition, timeout=DEADLINE, what="the condition"):
    """Checks again and again until `condition` gives something true; for states that no event announces."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout:g} s")
        select.select([], [], [], POLL_INTERVAL)


def await_readable(stream, timeout=DEADLINE, what="there is something to read"):
    ready, _, _ = select.select([stream], [], [], timeout)
    assert ready, f"{what}: not within {timeout:g} s"


def until_equal(read, wanted, what):
    """`read` gives `wanted`, in the end."""
    seen = []

    def fits():
        seen[:] = [read()]
        return seen == [wanted]

    try:
        until(fits, what=what)
    except AssertionError as error:
        raise AssertionError(f"{error}: {seen[0]}, not {wanted}") from error


def settled(read):
    """What `read` gives when it gives the same twice."""
    seen = []
    until(lambda: seen.append(read()) or len(seen) > 1 and seen[-1] == seen[-2], what="the value stands still")
    return seen[-1]


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def mentioning(word):
    """Processes that have `word` on their command line."""
    return [pid for pid in pids() if word in read(pid, "cmdline") and pid != os.getpid() and alive(pid)]


def parent(pid):
    stat = read(pid, "stat")
    return int(stat[stat.rindex(")") + 2:].split()[1]) if stat else 0


def children(pid):
    return [child for child in pids() if parent(child) == pid and alive(child)]


def status(pid, name="status"):
    """/proc/<pid>/status as a dict."""
    return dict(line.split(":\t", 1) for line in read(pid, name).splitlines() if ":\t" in line)


def tasks(pid):
    try:
        return sorted(map(int, os.listdir(f"/proc/{pid}/task")))
    except (FileNotFoundError, ProcessLookupError):
        return []


def threads(pid):
    """Without those that the kernel itself runs on behalf of a process, as KVM does."""
    def flags(stat):
        return int(stat[stat.rindex(")") + 2:].split()[6])

    stats = {task: read(pid, f"task/{task}/stat") for task in tasks(pid)}
    return [task for task, stat in stats.items() if stat and not flags(stat) & PF_USER_WORKER]


def thread_statuses(pid):
    """status() of each thread; fewer where one ends meanwhile."""
    return list(filter(None, (status(pid, f"task/{thread}/status") for thread in threads(pid))))


def may_look_into(pid):
    """chaos-hv and its children hide their memory and descriptors, from their own user too."""
    return os.access(f"/proc/{pid}/fd", os.R_OK | os.X_OK)


def descriptors(pid):
    """Number -> what it is."""
    base = f"/proc/{pid}/fd"
    found = {}
    for fd in os.listdir(base):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[int(fd)] = os.readlink(f"{base}/{fd}")
    return found


def mappings(pid):
    """(start, end, permissions, name) of each."""
    found = []
    for line in read(pid, "maps").splitlines():
        fields = line.split(maxsplit=5)
        start, end = (int(x, 16) for x in fields[0].split("-"))
        found.append((start, end, fields[1], fields[5] if len(fields) > 5 else ""))
    return found


def cpu_ns(pid):
    """CPU time of all threads so far, in the scheduler's nanoseconds."""
    total = 0
    for thread in tasks(pid):
        total += int((read(pid, f"task/{thread}/schedstat") or "0").split()[0])
    return total


def age(pid):
    """Seconds since it was started."""
    started = int(read(pid, "stat").rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def namespace_of(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def folder(pid, name):
    """What is in its root or working directory."""
    return os.listdir(f"/proc/{pid}/{name}/")


@functools.cache
def why_mounts_stay():
    """Why nobody can change mounts for one process here, or nothing. In a chroot whose root is no mount nothing would keep
    the change from the rest of the machine."""
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True).stderr.strip()


def in_namespace(script, *arguments):
    """What goes before a command, so that `script` first changes the mounts that it sees. The script has `arguments`,
    shifts them away and ends in exec "$@"."""
    if why := why_mounts_stay():
        pytest.skip(why)
    return ["unshare", "-m", "sh", "-c", script, "sh", *map(str, arguments)]


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
