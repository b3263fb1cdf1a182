# SPDX-License-Identifier: Apache-2.0
"""Fixtures: every test gets a daemon of its own, on each driver that this machine has."""

import os
import shutil
import subprocess

import pytest

from rig import chaosd as rig_chaosd
from rig import host
from rig.chaosd import Chaosd

pytest_plugins = ["rig.present", "rig.by_driver", "rig.network"]


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds; left out by scripts/test --quick")


@pytest.fixture(scope="session", autouse=True)
def binaries_exist():
    for path in (rig_chaosd.CHAOS, rig_chaosd.CHAOSD, rig_chaosd.CHAOS_HV):
        assert os.access(path, os.X_OK), f"{path} is missing: build the release preset first (scripts/build release)"


@pytest.fixture
def make_daemon(driver):
    """Makes daemons with options of their own. At the end each is stopped if it runs, and must leave nothing."""
    made = []

    def make(start=True, **options):
        daemon = Chaosd(driver, **options)
        made.append(daemon)
        return daemon.start() if start else daemon

    yield make
    try:
        for daemon in made:
            if daemon.process:
                daemon.stop()
                daemon.check_nothing_left()
    finally:
        for daemon in made:
            daemon.clean_up()


@pytest.fixture
def daemon(make_daemon):
    """A daemon with default settings."""
    return make_daemon()


@pytest.fixture
def client(daemon):
    return daemon.client()


@pytest.fixture
def as_nobody():
    """Runs chaos as the user `nobody`; needs root to become it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv here")

    def run(*arguments):
        return subprocess.run([*host.NOBODY, rig_chaosd.CHAOS, *map(str, arguments)], capture_output=True, text=True,
                              timeout=60, cwd="/")

    return run
