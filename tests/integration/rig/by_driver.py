# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: which test applies to which driver, and a table of that at the end. A test that does not apply says so
and why by @pytest.mark.drivers("process", reason="..."): nothing is left out without a word."""

import collections

import pytest

from rig.present import MISSING

NONE = "(no driver)"
NOT_APPLICABLE = pytest.StashKey()
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed")


def pytest_configure(config):
    config.addinivalue_line("markers", "drivers(*names, reason): applies to these drivers only")
    config.stash[NOT_APPLICABLE] = set()


def driver_of(item):
    return item.callspec.params.get("driver", NONE) if hasattr(item, "callspec") else NONE


def why_not(item, driver):
    """The reason why a test does not apply to `driver`, or None."""
    for mark in item.iter_markers("drivers"):
        if driver not in mark.args:
            return mark.kwargs["reason"]
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    left_out = []
    for item in items:
        driver = driver_of(item)
        item.user_properties.append(("driver", driver))
        if reason := why_not(item, driver):
            left_out.append(item)
            config.stash[NOT_APPLICABLE].add((driver, reason, item.nodeid))
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


# ---- with pytest-xdist the workers collect, and tell the process that reports

def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not_applicable"] = sorted(session.config.stash[NOT_APPLICABLE])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[NOT_APPLICABLE].update(map(tuple, getattr(node, "workeroutput", {}).get("not_applicable", ())))


def pytest_terminal_summary(terminalreporter, config):
    ran = collections.defaultdict(collections.Counter)
    for outcome in OUTCOMES:
        for report in terminalreporter.stats.get(outcome, ()):
            driver = dict(getattr(report, "user_properties", ())).get("driver", NONE)
            ran[driver][outcome] += 1
    reasons = collections.defaultdict(collections.Counter)
    for driver, reason, _ in config.stash[NOT_APPLICABLE]:
        reasons[driver][reason] += 1
    if not ran and not reasons:
        return
    terminalreporter.section("tests by driver")
    for driver in sorted({*ran, *reasons}):
        counts = [f"{count} {outcome}" for outcome, count in ran[driver].items()]
        counts.append(f"{reasons[driver].total()} not applicable")
        terminalreporter.write_line(f"{driver}: {', '.join(counts)}")
        for reason, count in reasons[driver].most_common():
            terminalreporter.write_line(f"    {count} not applicable: {reason}")
    for driver, why in config.stash[MISSING].items():
        terminalreporter.write_line(f"{driver}: left out: {why}")
