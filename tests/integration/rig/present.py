# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: the drivers that this run is about. CHAOS_DRIVERS names them; else they are all that work here, which
chaosd itself is asked. What is left out, and why, stands at the head of the output and in the table at its end."""

import os

import pytest

from rig import chaosd
from rig.behind import BEHIND

KNOWN = ("xen", "kvm", "process")
REFUSED = 1  # exit code of a chaosd that says why it does not start
PRESENT = pytest.StashKey()  # a list of names
MISSING = pytest.StashKey()  # name -> why


def why_not(driver):
    """What a chaosd says that can't start with `driver`; None where it starts. Only a refusal leaves a driver out: a daemon
    that hangs or crashes is a failure of this run."""
    daemon = chaosd.Chaosd(driver)
    daemon.behind = BEHIND["process"](daemon)  # to look for what stays behind needs no Xen then
    try:
        daemon.start().stop()
        return None
    except AssertionError:
        if not daemon.process or daemon.process.poll() != REFUSED:
            raise
        said = daemon.log_text().strip().splitlines() or ["chaosd ended without a word"]
        return said[-1]
    except OSError as error:  # no chaosd: the fixture binaries_exist says more
        return str(error)
    finally:
        daemon.clean_up()


def find():
    chosen = os.environ.get("CHAOS_DRIVERS")
    if chosen:
        named = [driver for driver in KNOWN if driver in chosen.split(",")]
        return named, {driver: "not in CHAOS_DRIVERS" for driver in KNOWN if driver not in named}
    missing = {driver: why for driver in KNOWN if driver != "process" and (why := why_not(driver))}
    return [driver for driver in KNOWN if driver not in missing], missing


def pytest_configure(config):
    workerinput = getattr(config, "workerinput", None)
    present, missing = workerinput["chaos_drivers"] if workerinput else find()
    config.stash[PRESENT], config.stash[MISSING] = present, missing


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """The workers of pytest-xdist must all have the same tests: they are told, and do not look for themselves."""
    node.workerinput["chaos_drivers"] = (node.config.stash[PRESENT], node.config.stash[MISSING])


def pytest_report_header(config):
    return [f"chaos drivers: {', '.join(config.stash[PRESENT])}; binaries: {chaosd.BUILD / 'bin'}",
            *(f"chaos driver left out: {driver}: {why}" for driver, why in config.stash[MISSING].items())]


def pytest_generate_tests(metafunc):
    if "driver" in metafunc.fixturenames:
        metafunc.parametrize("driver", metafunc.config.stash[PRESENT], scope="session")
