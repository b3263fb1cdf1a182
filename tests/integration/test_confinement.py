# SPDX-License-Identifier: Apache-2.0
"""What a guest's process may do, as the kernel sees it (process driver)."""

import pytest

from rig import host

pytestmark = pytest.mark.drivers("process", reason="the other drivers confine by hardware, not by a process")

ABI_END_OF_PAGES = 0x85000
RAM = 0x100000
MEMORY = 4 << 20


@pytest.fixture(params=("running guest", "parked shell"))
def process(request, daemon, client):
    if request.param == "running guest":
        return daemon.behind.body_of(daemon.create("noop", client))
    daemon.await_full_pool()
    return daemon.behind.bodies()[0]


def test_no_new_privileges_and_filtered(process):
    status = host.status(process)
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"


def test_no_capability(process):
    status = host.status(process)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind


def test_only_the_doorbell_is_open(process):
    descriptors = host.descriptors(process)
    assert list(descriptors) == [3]
    assert "eventfd" in descriptors[3]


def test_only_pages_of_the_abi_are_mapped(process):
    for start, end, permissions, name in host.mappings(process):
        inside = start >= 0x10000 and end <= ABI_END_OF_PAGES or start >= RAM and end <= MEMORY
        assert inside or name == "[vsyscall]", f"{start:x}-{end:x} {permissions} {name}"


def test_what_the_guest_must_not_write_is_not_writable(process):
    for start, end, permissions, _ in host.mappings(process):
        if start < 0x13000:
            assert "w" not in permissions, f"{start:x}-{end:x} {permissions}"


def test_one_thread(process):
    assert host.status(process)["Threads"] == "1"


def test_no_core_file_and_no_new_process(process):
    limits = host.read(process, "limits")
    line = next(line for line in limits.splitlines() if line.startswith("Max processes"))
    assert line.split()[2] == "0"
