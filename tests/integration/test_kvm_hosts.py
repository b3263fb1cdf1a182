# SPDX-License-Identifier: Apache-2.0
"""Machines whose KVM is not there, not ours or does not work, and what chaosd takes then."""

import errno
import itertools
import os
import pathlib
import subprocess
import sys

import pytest

from rig import host
from rig.behind import BEHIND
from rig.chaosd import CHAOS_HV
from rig.events import Events
from rig.rpc import RpcError

DENY_IOCTL = str(pathlib.Path(host.__file__).with_name("deny_ioctl.py"))
pytestmark = [pytest.mark.drivers("kvm", reason="about /dev/kvm, which works here or has its reason at the head"),
              pytest.mark.skipif(os.geteuid() != 0, reason="only root can change what a process sees as /dev/kvm")]

# Mount namespaces in which /dev/kvm is another one. $1: an empty folder
ALL_BUT_KVM = """
mount -t tmpfs none "$1" && cd "$1" && mkdir shm || exit 99
for name in null zero full random urandom tty; do touch "$name" && mount --bind "/dev/$name" "$name" || exit 99; done
cd / && mount --move "$1" /dev || exit 99
shift && exec "$@"
"""
ANOTHER = """
mount -t tmpfs none "$1" && %s && mount --bind "$1/kvm" /dev/kvm || exit 99
shift && exec "$@"
"""
HOSTS = {
    "no device": (ALL_BUT_KVM, ("/dev/kvm", "kvm_intel", "kvm_amd")),
    "no driver behind the device": (ANOTHER % 'mknod "$1/kvm" c 10 255', ("/dev/kvm", "kvm_intel", "kvm_amd")),
    "an empty file": (ANOTHER % 'touch "$1/kvm"', ("/dev/kvm", "not KVM")),
    "another device": (ANOTHER % 'mknod "$1/kvm" c 1 3', ("/dev/kvm", "not KVM")),
    "no permission": (ANOTHER % 'mknod -m 600 "$1/kvm" c 10 232', ("/dev/kvm", "ermission", "group", "run as root")),
}


def wrapper(daemon, name):
    """What goes before a chaosd on such a host."""
    folder = daemon.folder / "dev"
    folder.mkdir(exist_ok=True)
    before = host.in_namespace(HOSTS[name][0], folder)
    if name == "no permission":
        daemon.give_to_nobody()
        before += host.NOBODY
    return before


@pytest.fixture(params=HOSTS)
def unfit(request, make_daemon):
    """A daemon that has not been started, on a host without KVM; `words` must be said of that."""
    daemon = make_daemon(start=False)
    daemon.wrapper = wrapper(daemon, request.param)
    daemon.words = HOSTS[request.param][1]
    return daemon


def set_driver(daemon, name, behind="process"):
    """For the next start."""
    daemon.driver, daemon.behind = name, BEHIND[behind](daemon)
    return daemon


def test_asked_for_kvm(unfit):
    said = unfit.refusal(unfit.wrapper)
    assert all(word in said for word in unfit.words), said
    assert len(said.strip().splitlines()) == 1, said
    host.until(lambda: host.mentioning(str(unfit.folder)) == [], what="nothing runs on")


def test_kvm_in_the_settings(make_daemon):
    daemon = make_daemon(start=False, config={"hypervisor": "kvm"})
    said = daemon.refusal(wrapper(daemon, "another device"), driver="kvm")
    assert "not KVM" in said


@pytest.mark.parametrize("config", (None, {"hypervisor": "auto"}))
def test_auto_takes_process_and_says_why(unfit, config):
    set_driver(unfit, "auto").start()
    info = unfit.client().call("daemon.info")
    assert info["driver"]["name"] == "process"
    (skipped,) = [driver for driver in info["skipped_drivers"] if driver["name"] == "kvm"]
    assert all(word in skipped["why"] for word in unfit.words), skipped
    shown = unfit.cli("info").stdout
    assert "not used" in shown and skipped["why"] in shown
    assert skipped["why"] in unfit.log_text()
    unfit.create("hello")


def test_auto_takes_kvm(make_daemon):
    daemon = set_driver(make_daemon(start=False), "auto", "kvm").start()
    info = daemon.client().call("daemon.info")
    assert info["driver"]["name"] == "kvm"
    assert "hardware isolation" in info["driver"]["isolation"]
    assert "kvm" not in [driver["name"] for driver in info["skipped_drivers"]]
    assert "kvm" in daemon.cli("info").stdout


@pytest.mark.parametrize("setting, option, taken", (("process", None, "process"), ("kvm", None, "kvm"),
                                                    ("process", "kvm", "kvm"), ("kvm", "process", "process")))
def test_option_wins_over_settings(make_daemon, setting, option, taken):
    daemon = make_daemon(start=False, config={"hypervisor": setting})
    set_driver(daemon, option, taken).start()
    assert daemon.client().call("daemon.info")["driver"]["name"] == taken


def everybodys_device(daemon):
    folder = daemon.folder / "dev"
    folder.mkdir(exist_ok=True)
    return host.in_namespace(ANOTHER % 'mknod -m 666 "$1/kvm" c 10 232', folder)


def test_user_with_the_device(make_daemon):
    """Nobody needs to be root who may open /dev/kvm."""
    daemon = make_daemon(start=False)
    daemon.give_to_nobody()
    daemon.wrapper = everybodys_device(daemon) + host.NOBODY
    daemon.start()
    assert daemon.client().call("daemon.info")["driver"]["name"] == "kvm"
    events = Events(daemon)
    domain = daemon.create("smp", wait="created", vcpus={"count": 2})
    assert events.wait("shutdown", id=domain["id"])["exit_code"] == 0


# linux/kvm.h: requests, and the capabilities that hypervisor/kvm/hv/host.cpp asks for
CREATE_VM, CHECK_EXTENSION, GET_SUPPORTED_CPUID, CREATE_VCPU, RUN = 0xae01, 0xae03, 0xc008ae05, 0xae41, 0xae80
CAPABILITIES = {"KVM_CAP_USER_MEMORY": 3, "KVM_CAP_EXT_CPUID": 7, "KVM_CAP_IOEVENTFD": 36, "KVM_CAP_GET_TSC_KHZ": 61,
                "KVM_CAP_IMMEDIATE_EXIT": 136}
REFUSING = {
    **{f"without {name}": ((CHECK_EXTENSION, number, 0), (f"lacks {name}",)) for name, number in CAPABILITIES.items()},
    "no machine can be made": ((CREATE_VM, "any", errno.EBUSY), ("KVM_CREATE_VM", "busy")),
    "no memory for a machine": ((CREATE_VM, "any", errno.ENOMEM), ("KVM_CREATE_VM", "allocate memory")),
    "no processor is told": ((GET_SUPPORTED_CPUID, "any", errno.EINVAL), ("KVM_GET_SUPPORTED_CPUID",)),
    "no vCPU can be made": ((CREATE_VCPU, "any", errno.ENOMEM), ("KVM_CREATE_VCPU", "allocate memory")),
    "machines do not run": ((RUN, "any", errno.EIO), ("KVM_RUN", "Input/output error")),
}


@pytest.mark.parametrize("name", REFUSING)
def test_kvm_that_refuses(make_daemon, name):
    """It opens; what it can't do is found out before it is chosen, and nothing is left of the trial."""
    (request, argument, error), words = REFUSING[name]
    denied = [sys.executable, DENY_IOCTL, hex(request), str(argument), str(error)]
    daemon = make_daemon(start=False)
    said = daemon.refusal(denied)
    assert all(said.count(word) == 1 for word in words), said
    daemon.wrapper = denied
    set_driver(daemon, "auto").start()
    info = daemon.client().call("daemon.info")
    assert info["driver"]["name"] == "process"
    assert all(word in next(d["why"] for d in info["skipped_drivers"] if d["name"] == "kvm") for word in words)
    daemon.create("hello")


def start_with_processes(daemon, user, limit):
    """A chaos-hv of that user which has a guest, stays, and may start no process when there are `limit`; and a daemon
    that may choose. Returns what the daemon tells of itself."""
    daemon.give_to(user)
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    daemon.wrapper = [*everybodys_device(daemon), *as_user]
    set_driver(daemon, "process").start().create("noop", name="stays")
    daemon.terminate()
    for owner in daemon.owners:
        subprocess.run([*as_user, "prlimit", f"--pid={owner}", f"--nproc={limit}:{limit}"], check=True)
    return set_driver(daemon, "auto").start().client().call("daemon.info")


def test_machines_that_do_not_run(make_daemon):
    """Since Linux 6.14 KVM needs a thread of its own for the first run of a machine: where a user may have no more
    processes, KVM makes machines and does not run them."""
    users = itertools.count(100_000 + os.getpid() % 1000 * 100)  # nobody else's processes count
    for limit in range(12, 2, -1):
        daemon = make_daemon(start=False, config={"pool": []})
        info = start_with_processes(daemon, next(users), limit)
        if info["driver"]["name"] == "process":
            break
        daemon.stop()
    else:
        pytest.skip("no limit of processes keeps this KVM from running machines")
    why = next(driver["why"] for driver in info["skipped_drivers"] if driver["name"] == "kvm")
    assert "KVM_RUN" in why and "RLIMIT_NPROC" in why
    assert daemon.names() == ["stays"]


def test_too_few_descriptors_for_the_vcpus(make_daemon):
    """KVM can't make all of them: nothing of the guest stays, and the others do not notice."""
    daemon = make_daemon(wrapper=["prlimit", "--nofile=64:64"], config={"pool": []})
    client = daemon.client()
    client.call("domain.destroy", id=daemon.create("noop", client)["id"])
    before = daemon.held()
    for _ in range(3):
        with pytest.raises(RpcError) as error:
            daemon.create("smp", client, vcpus={"count": 64})
        said = error.value.message
        assert "KVM_CREATE_VCPU" in said and "open files" in said, said
    daemon.await_no_more_held(before)
    assert daemon.names() == [] and daemon.domain_files() == []
    daemon.create("noop", client)


def test_owner_that_was_started_without_kvm(make_daemon):
    """It has guests and stays: the next daemon hears why kvm is not to be had, and what to do."""
    daemon = make_daemon(start=False)
    daemon.wrapper = wrapper(daemon, "another device")
    set_driver(daemon, "process").start()
    daemon.create("echo", name="stays")
    daemon.terminate()
    daemon.wrapper = []
    said = daemon.refusal(driver="kvm")
    assert "not KVM" in said, said
    set_driver(daemon, "auto").start()
    info = daemon.client().call("daemon.info")
    assert info["driver"]["name"] == "process" and daemon.names() == ["stays"]
    assert "not KVM" in next(driver["why"] for driver in info["skipped_drivers"] if driver["name"] == "kvm")


def test_owner_that_is_missing(make_daemon):
    """The same words as on every other driver."""
    daemon = make_daemon(start=False)
    hide = 'mount --bind /dev/null "$1" || exit 99; shift; exec "$@"'
    said = daemon.refusal(host.in_namespace(hide, CHAOS_HV))
    assert "chaos-hv" in said
