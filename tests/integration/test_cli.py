# SPDX-License-Identifier: Apache-2.0
"""The command line: verbs, --json, exit codes, autostart."""

import json
import os
import re
import subprocess

import pytest

from rig import host
from rig.chaosd import CHAOS, CHAOSD

VERBS = ("create", "list", "info", "console", "pause", "unpause", "shutdown", "reboot", "destroy", "rename", "pool",
         "events", "top", "config", "version")


def test_help_lists_every_verb(daemon):
    result = daemon.cli("--help")
    assert result.returncode == 0
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", result.stdout), verb


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(daemon, verb):
    result = daemon.cli(verb, "--help")
    assert result.returncode == 0
    assert verb in result.stdout


@pytest.mark.parametrize("arguments", ([], ["frobnicate"], ["create"], ["destroy"], ["rename", "a"],
                                       ["create", "--no-such-option", "x.json"], ["create", "-n", "many", "x.json"],
                                       ["create", "-n", "0", "x.json"], ["list", "surplus"]))
def test_wrong_usage(daemon, arguments):
    result = daemon.cli(*arguments)
    assert result.returncode == 2
    assert result.stderr


def test_create_says_what_it_made(daemon):
    result = daemon.cli("create", daemon.write_config(name="web"))
    assert result.returncode == 0, result.stderr
    assert re.search(r"web\s+id\s+\d+\s+ready in [\d.]+ (us|ms)", result.stdout)


def test_create_many_as_json(daemon):
    result = daemon.cli("create", "--json", "-n", 10, daemon.write_config(name="w"))
    domains = json.loads(result.stdout)["domains"]
    assert len(domains) == 10
    assert all(d["timing"]["ready_us"] > 0 for d in domains)


def test_create_paused_and_unpause(daemon):
    assert daemon.cli("create", "-p", daemon.write_config(name="web")).returncode == 0
    assert json.loads(daemon.cli("list", "--json").stdout)["domains"][0]["state"] == "paused"
    assert daemon.cli("unpause", "web").returncode == 0


def test_dry_run(daemon):
    assert daemon.cli("create", "--dry-run", daemon.write_config(name="web")).returncode == 0
    assert daemon.names() == []


def test_list_is_a_table(daemon):
    daemon.create("noop", name="web")
    lines = daemon.cli("list").stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "ID", "STATE"]
    assert lines[1].split()[0] == "web"


@pytest.mark.parametrize("arguments", (["list"], ["info"], ["info", "web"], ["pool"], ["version"],
                                       ["top", "--once"]))
def test_json_everywhere(daemon, arguments):
    daemon.create("noop", name="web")
    for command in (["--json", *arguments], [*arguments, "--json"]):
        result = daemon.cli(*command)
        assert result.returncode == 0, result.stderr
        json.loads(result.stdout)


def test_a_life_by_cli(daemon):
    assert daemon.cli("create", daemon.write_config(name="web")).returncode == 0
    for arguments in (["pause", "web"], ["unpause", "web"], ["rename", "web", "www"], ["info", "www"],
                      ["top", "--once"], ["destroy", "www"]):
        result = daemon.cli(*arguments)
        assert result.returncode == 0, (arguments, result.stderr)
    assert daemon.names() == []


def test_shutdown_by_cli(daemon):
    daemon.create("noop", name="web")
    assert daemon.cli("shutdown", "web").returncode == 0
    host.until(lambda: daemon.names() == [], what="the guest has powered off")


@pytest.mark.parametrize("verb", ("info", "console", "pause", "unpause", "shutdown", "reboot", "destroy"))
def test_unknown_domain_is_exit_code_3(daemon, verb):
    result = daemon.cli(verb, "nobody")
    assert result.returncode == 3
    assert result.stderr.startswith("chaos: ") and "nobody" in result.stderr


def test_name_in_use_is_exit_code_1(daemon):
    path = daemon.write_config(name="web")
    assert daemon.cli("create", path).returncode == 0
    result = daemon.cli("create", path)
    assert result.returncode == 1
    assert "web" in result.stderr


def test_create_console_exit_code_of_a_crash(daemon):
    path = daemon.write_config(kernel=daemon.config("fault")["kernel"], cmdline="fault=wild-read ready=1")
    result = daemon.cli("create", "-c", path)
    assert result.returncode == 1
    assert daemon.behind.crash in result.stderr


def test_errors_as_json(daemon):
    result = daemon.cli("--json", "destroy", "nobody")
    assert result.returncode == 3
    assert "nobody" in result.stderr


def test_output_to_a_closed_pipe(daemon):
    daemon.create("noop", count=50)
    with subprocess.Popen([CHAOS, "--socket", daemon.socket, "list"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(host.DEADLINE) is not None


def test_version(daemon):
    assert re.search(r"\d+\.\d+\.\d+", daemon.cli("version").stdout)
    for binary in (CHAOS, CHAOSD):
        assert subprocess.run([binary, "--version"], capture_output=True).returncode == 0


def autostarted(daemon, *arguments):
    return subprocess.Popen([CHAOS, "--socket", daemon.socket, *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_autostart(make_daemon):
    daemon = make_daemon(start=False)
    path = daemon.write_config(name="first")
    process = autostarted(daemon, "create", path)
    out, err = process.communicate(timeout=host.DEADLINE)
    assert process.returncode == 0, err
    assert "first" in out
    assert daemon.cli("daemon", "stop", "--domains", "destroy").returncode == 0
    host.until(lambda: host.mentioning(str(daemon.folder)) == [], what="everything has ended")


def test_two_autostarts_at_once(make_daemon):
    daemon = make_daemon(start=False)
    processes = [autostarted(daemon, "create", daemon.write_config(f"{name}.json", name=name)) for name in "abcd"]
    for process in processes:
        _, err = process.communicate(timeout=host.DEADLINE)
        assert process.returncode == 0, err
    assert daemon.names() == ["a", "b", "c", "d"]
    assert daemon.cli("daemon", "stop", "--domains", "destroy").returncode == 0
    host.until(lambda: host.mentioning(str(daemon.folder)) == [], what="everything has ended")


@pytest.mark.slow
def test_progress_on_a_terminal(daemon, client):
    """So many guests without a pool that it takes more than a moment on any machine."""
    client.call("pool.set", memory=4, vcpus=1, floor=0, ceiling=0)
    crowd = str(daemon.behind.crowd)
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal on this machine: {error}")
    with subprocess.Popen([CHAOS, "--socket", daemon.socket, "create", "-n", crowd, "--timeout", "60",
                           daemon.write_config()], stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # the other end is closed
            pass
        os.close(ours)
    assert process.returncode == 0
    assert crowd.encode() in shown and b"\r" in shown, shown


def test_no_progress_without_a_terminal(daemon):
    path = daemon.write_config(kernel=daemon.config("fault")["kernel"], cmdline="fault=never-ready")
    result = daemon.cli("create", "-n", 3, "--timeout", 1, path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) <= 2
    assert daemon.names() == []
