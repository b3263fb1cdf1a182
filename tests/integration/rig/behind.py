# SPDX-License-Identifier: Apache-2.0
"""What stands behind the domains of a daemon, by driver, looked at without asking the daemon. The *body* of a domain or
shell is a process, or a domain of Xen."""

import os
import signal

from rig import host, xen


class Bodies:
    def await_stop(self, body):
        """A thread is called stopped a moment before it leaves its processor. Returns the CPU time used until then."""
        host.until(lambda: self.is_stopped(body), what="the domain has stopped")
        return host.settled(lambda: self.cpu_ns(body))


class Processes(Bodies):
    """The driver `process`: chaos-hv, and one child per domain and shell. A body is a process id."""
    keeps_registers = True
    crash = "SIGSEGV"
    killed = "killed by SIGKILL"
    memory_is_lazy = True
    crowd = 3000  # domains that take more than a moment to make, and fit

    def __init__(self, daemon):
        self.daemon = daemon

    def owner_pids(self):
        found = self.daemon.programs("chaos-hv")
        return [pid for pid in found if host.parent(pid) not in found]  # the others are about to become domains

    def bodies(self):
        return [child for pid in self.owner_pids() for child in host.children(pid)]

    def describe_all(self):
        return {pid: host.read(pid, "cmdline") for pid in self.bodies()}

    def body_of(self, domain):
        return self.daemon.client().call("domain.get", id=domain["id"])["host_pid"]

    def free_memory(self):
        """Of the machine, in bytes; 0 where that says nothing about domains."""
        return 0

    def is_alive(self, pid):
        return host.alive(pid)

    def is_stopped(self, pid):
        """All of its threads."""
        statuses = list(host.thread_statuses(pid))
        return bool(statuses) and all(status["State"].startswith("T") for status in statuses)

    def cpu_ns(self, pid):
        return host.cpu_ns(pid)

    def kill(self, pid):
        os.kill(pid, signal.SIGKILL)
        host.wait_end(pid)

    def end_all(self):
        """After the daemon's end."""
        for pid in self.owner_pids():
            os.kill(pid, signal.SIGKILL)
            host.wait_end(pid)


class VirtualMachines(Processes):
    """The driver `kvm`: the same owner, and a process around each virtual machine, with a thread for each vCPU."""
    # On AMD's processors KVM forgets the registers of a guest that faults.
    keeps_registers = not os.path.exists("/sys/module/kvm_amd")
    crash = "crashed at ip" if keeps_registers else "crashed: a fault"


class XenDomains(Bodies):
    """The driver `xen`: nobody but Xen itself. A body is a domain id."""
    keeps_registers = True
    crash = "crashed at ip"
    killed = "crashed"
    memory_is_lazy = False
    crowd = 200

    def __init__(self, daemon):
        self.daemon = daemon

    def owner_pids(self):
        return []

    def bodies(self):
        return [info.domain for info in xen.domains_of(self.daemon.runtime)]

    def describe_all(self):
        return [f"domain {info.domain}: flags {info.flags:#x}, {info.tot_pages} of {info.max_pages} pages"
                for info in xen.domains_of(self.daemon.runtime)]

    def body_of(self, domain):
        assert self.daemon.client().call("domain.get", id=domain["id"])["host_pid"] == 0
        return domain["id"]

    def free_memory(self):
        return xen.control().free_bytes()

    def is_alive(self, domain):
        info = xen.control().info(domain)
        return info is not None and not info.flags & (xen.DYING | xen.SHUT_DOWN)

    def is_stopped(self, domain):
        return bool(xen.control().info(domain).flags & xen.PAUSED)

    def cpu_ns(self, domain):
        info = xen.control().info(domain)
        return info.cpu_time if info else 0

    def kill(self, domain):
        xen.control().crash(domain)

    def end_all(self):
        for domain in self.bodies():
            xen.control().destroy(domain)
        host.until(lambda: not self.bodies(), what="Xen has let go of the domains")


BEHIND = {"process": Processes, "kvm": VirtualMachines, "xen": XenDomains}
