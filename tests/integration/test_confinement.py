# SPDX-License-Identifier: Apache-2.0
"""What the process of a guest may do, as the kernel sees it: the guest itself, or what is around its virtual machine."""

import os

import pytest

from rig import host

pytestmark = pytest.mark.drivers("process", "kvm", reason="Xen confines by hardware alone: there is no process")
only_kvm = pytest.mark.drivers("kvm", reason="about a virtual machine in a process")
only_process = pytest.mark.drivers("process", reason="the other drivers protect a guest's pages by page tables of its own")

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="chaos-hv and its children hide from their own user")

MEMORY = 4 << 20
DOORBELL = 3
FIRST_VCPU = 6  # hypervisor/kvm/hv/monitor_state.hpp
PAGE_TABLES = 64 << 10  # more than a guest this small has, behind its memory
VSYSCALL = "[vsyscall]"

# Where what may be mapped lies: hypervisor/process/process_abi.hpp, hypervisor/kvm/hv/monitor_state.hpp
PLACES = {
    "process": ((0x10000, 0x85000), (0xe0000, 0xe8000), (0x100000, MEMORY)),
    "kvm": ((0x10000, 0x20000), (0x20000, 0x80000), (0x80000, 0x200000), (0x200000, 0x200000 + MEMORY + PAGE_TABLES)),
}
VCPUS = {"process": 1, "kvm": 3}


@pytest.fixture
def daemon(make_daemon, driver):
    """With one shell."""
    shape = {"memory": "4MiB", "vcpus": VCPUS[driver], "floor": 1, "ceiling": 1}
    return make_daemon(config={"pool": [shape]})


@pytest.fixture(params=("running guest", "parked shell", "guest of a second daemon"))
def process(request, daemon):
    daemon.await_full_pool()
    if request.param == "parked shell":
        (shell,) = daemon.behind.bodies()
        return shell
    if request.param == "guest of a second daemon":
        daemon.kill()
        daemon.start()
        daemon.await_full_pool()
    return daemon.behind.body_of(daemon.create("smp", cmdline="wait=1", vcpus={"count": VCPUS[daemon.driver]}))


def test_no_new_privileges_and_filtered(process):
    statuses = list(host.thread_statuses(process))
    assert statuses
    for status in statuses:
        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == "1"
        assert int(status["SigBlk"], 16) == 0


def test_no_capability(process):
    statuses = list(host.thread_statuses(process))
    assert statuses
    for status in statuses:
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[kind], 16) == 0, kind


@only_root
def test_only_its_own_descriptors_are_open(daemon, process):
    descriptors = host.descriptors(process)
    assert "eventfd" in descriptors.pop(DOORBELL)
    vcpus = range(VCPUS[daemon.driver]) if daemon.driver == "kvm" else ()
    assert descriptors == {FIRST_VCPU + i: f"anon_inode:kvm-vcpu:{i}" for i in vcpus}


@only_root
def test_only_what_it_needs_is_mapped(daemon, process):
    for start, end, permissions, name in host.mappings(process):
        inside = any(start >= first and end <= last for first, last in PLACES[daemon.driver])
        assert inside or name == VSYSCALL, f"{start:x}-{end:x} {permissions} {name}"


@only_root
@only_process
def test_what_the_guest_must_not_write_is_not_writable(process):
    for start, end, permissions, _ in host.mappings(process):
        if start < 0x13000:
            assert "w" not in permissions, f"{start:x}-{end:x} {permissions}"


@only_root
@only_kvm
def test_code_is_not_writable_and_data_not_code(process):
    """Guest memory is data to the process around: who breaks out of the machine finds no code there to run."""
    mappings = [mapping for mapping in host.mappings(process) if mapping[3] != VSYSCALL]
    code = [mapping for mapping in mappings if "x" in mapping[2]]
    assert len(code) == 1 and code[0][0] == 0x10000 and code[0][2].startswith("r-x"), code
    assert all("memfd" in name or "kvm-vcpu" in name or not name for *_, name in mappings), mappings


def test_a_thread_for_each_vcpu(daemon, process):
    assert len(host.threads(process)) == VCPUS[daemon.driver]


def limit(pid, name):
    line = next(line for line in host.read(pid, "limits").splitlines() if line.startswith(name))
    return line[len(name):].split()[:2]


def test_no_core_file_no_new_process_no_further_descriptor(daemon, process):
    for name in ("Max core file size", "Max processes", "Max locked memory", "Max msgqueue size"):
        assert limit(process, name) == ["0", "0"], name
    end = FIRST_VCPU + VCPUS[daemon.driver] if daemon.driver == "kvm" else DOORBELL + 1
    assert limit(process, "Max open files") == [str(end), str(end)]


@only_root
def test_nothing_of_the_host_to_be_seen(daemon, process):
    """No file but those it has, no network: chaos-hv lives in namespaces of its own, and so do its children."""
    if notes := daemon.client().call("daemon.info")["driver"]["notes"]:
        pytest.skip(f"this host allows less: {notes}")
    for kind in ("mnt", "net", "ipc", "uts"):
        assert host.namespace_of(process, kind) != host.namespace_of("self", kind), kind
    assert host.folder(process, "root") == []
