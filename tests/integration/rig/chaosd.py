# SPDX-License-Identifier: Apache-2.0
"""A chaosd of a test's own: private folder, private socket, nothing shared with other tests."""

import json
import operator
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from rig import host
from rig.behind import BEHIND
from rig.rpc import Client, Disconnected

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("CHAOS_BUILD_DIR", ROOT / "build"))
CHAOS = str(BUILD / "bin/chaos")
CHAOSD = str(BUILD / "bin/chaosd")
CHAOS_HV = str(BUILD / "bin/chaos-hv")


def guest(name):
    return str(BUILD / f"guests/{name}.elf")


class Chaosd:
    def __init__(self, driver, options=(), config=None, wrapper=()):
        self.driver = driver
        self.behind = BEHIND[driver](self)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="chaos-it-", dir="/tmp"))  # short: 108 bytes for a socket
        self.runtime = self.folder / "run"
        self.runtime.mkdir(mode=0o700)
        self.socket = str(self.runtime / "api.sock")
        self.state = self.runtime / "state"
        self.log = self.folder / "chaosd.log"
        self.options = list(options)
        self.wrapper = list(wrapper)
        self.process = None
        self.owners = set()
        self.clients = []
        self.asking = None
        if config is not None:
            path = self.folder / "chaosd.json"
            path.write_text(json.dumps(config))
            self.options += ["--config", str(path)]

    # ---- life

    def start(self):
        choice = ["--hypervisor", self.driver] if self.driver else []  # none: as the settings say
        command = [*self.wrapper, CHAOSD, "--socket", self.socket, *choice, *self.options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        host.until(self._answers, what="chaosd answers")
        self.owners.update(self.behind.owner_pids())
        return self

    def _answers(self):
        assert self.process.poll() is None, f"chaosd ended at once:\n{self.log_text()}"
        try:
            with Client(self.socket) as client:
                return client.call("hello")
        except (FileNotFoundError, ConnectionError, Disconnected):
            return None

    def give_to(self, user):
        """So that a daemon of this user can use our folder."""
        self.folder.chmod(0o755)
        os.chown(self.runtime, user, user)

    def give_to_nobody(self):
        self.give_to(65534)

    def refusal(self, wrapper=(), driver=None):
        """What a chaosd says that must not start."""
        result = subprocess.run([*wrapper, CHAOSD, "--socket", self.socket, "--hypervisor", driver or self.driver,
                                 *self.options], capture_output=True, text=True, timeout=host.DEADLINE)
        assert result.returncode == 1, result.stderr
        assert not pathlib.Path(self.socket).exists()
        return result.stderr

    def stop(self):
        """Everything of it ends: clients, domains, daemon, owner of the domains."""
        if self.process and self.process.poll() is None:
            with Client(self.socket) as client:
                client.call("daemon.stop", domains="destroy")
            assert self.process.wait(host.DEADLINE) == 0, self.log_text()
        self.drop_clients()

    def terminate(self):
        """As an init system would: guests live on."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(host.DEADLINE) == 0, self.log_text()
        self.drop_clients()

    def kill(self):
        self.owners.update(self.behind.owner_pids())
        self.process.kill()
        self.process.wait()
        self.drop_clients()

    def drop_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    def check_nothing_left(self):
        """After stop(): no process, no domain, no file of one."""
        for pid in self.owners:
            assert host.wait_end(pid), f"process {pid} outlives its daemon: {host.read(pid, 'cmdline')}"
        host.until_equal(lambda: host.mentioning(str(self.folder)), [], "nothing of it runs on")
        try:
            host.until(lambda: not self.behind.bodies(), what="no domain is left behind")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.behind.describe_all()}\nlog:\n{self.log_text()}") from error
        for folder in ("domains", "console", "spare"):
            assert self.files(folder) == []

    def clean_up(self):
        """Whatever state the test left it in."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.drop_clients()
        for pid in self.daemon_pids():
            os.kill(pid, signal.SIGKILL)
            host.wait_end(pid)
        self.behind.end_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- talking to it

    def client(self):
        client = Client(self.socket)
        self.clients.append(client)
        return client

    def ask(self, method, /, **params):
        """On one connection that is kept, for those who ask again and again."""
        if self.asking not in self.clients:
            self.asking = self.client()
        return self.asking.call(method, params)

    def cli(self, *arguments, stdin=None, timeout=host.DEADLINE * 2, cwd=None, binary=CHAOS):
        return subprocess.run([binary, "--socket", self.socket, "--no-autostart", *map(str, arguments)],
                              input=stdin, capture_output=True, text=True, timeout=timeout, cwd=cwd)

    def config(self, image="noop", /, **keys):
        return {"kernel": guest(image), "memory": 4, **keys}

    def create(self, image="noop", client=None, /, wait="ready", count=1, **keys):
        """A domain, or a list of them when count is more than one."""
        reply = (client or self.client()).call("domain.create", config=self.config(image, **keys), wait=wait,
                                               count=count)
        return reply["domains"] if count > 1 else reply["domains"][0]

    def write_config(self, file="vm.json", /, text=None, **keys):
        path = self.folder / file
        path.write_text(text if text is not None else json.dumps({"kernel": guest("noop"), "memory": 4, **keys}))
        return path

    def copy_configs(self):
        """configs/ beside a build/ that is the build under test; returns the folder of both."""
        shutil.copytree(ROOT / "configs", self.folder / "configs")
        (self.folder / "build").symlink_to(BUILD)
        return self.folder

    # ---- looking at it

    def names(self):
        return sorted(domain["name"] for domain in self.client().call("domain.list")["domains"])

    def programs(self, name):
        """Processes of the program `name` that have our folder on their command line."""
        return [pid for pid in host.mentioning(str(self.runtime))
                if os.path.basename(host.read(pid, "cmdline").split("\0")[0]) == name]

    def daemon_pids(self):
        """chaosd, also one that a CLI has started."""
        return self.programs("chaosd")

    def await_full_pool(self, client=None):
        """Waits until no shell is being prepared."""
        ask = client.call if client else self.ask
        host.until(lambda: all(f["ready"] >= f["target"] for f in ask("pool.status")["flavours"]),
                   what="the pool is full")

    def files(self, folder):
        return sorted(path.name for path in (self.state / folder).glob("*"))

    def domain_files(self):
        return self.files("domains")

    def held(self):
        """What cycles of domains must leave as it was: descriptors of chaosd and, for root, of the owner of the domains,
        domains, and what lies in /dev/shm."""
        pids = filter(host.may_look_into, (self.process.pid, *self.behind.owner_pids()))
        shared = sorted(name for name in os.listdir("/dev/shm") if "chaos" in name and "bench" not in name)
        return [len(host.descriptors(pid)) for pid in pids], len(self.behind.bodies()), shared

    def await_no_more_held(self, before):
        """In the end. What the first round did not let go of before `before` was looked at does no harm."""
        def fits():
            descriptors, bodies, shared = self.held()
            return (len(descriptors) == len(before[0]) and all(map(operator.le, descriptors, before[0])) and
                    bodies <= before[1] and shared == before[2])

        try:
            host.until(fits, what=f"no more is held than {before}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.held()}") from error

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""
