# SPDX-License-Identifier: Apache-2.0
"""What benchmarks in Python leave in benchmarks/results, in the form that benchmarks/report reads."""
import json
import os
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "results"


def result_file(name, driver):
    return RESULTS / (f"{name}.json" if driver == "process" else f"{name}-{driver}.json")


def goal(what, value, *, at_least=None, at_most=None):
    limit = {"at_least": at_least} if at_most is None else {"at_most": at_most}
    return {"what": what, "value": value, **limit,
            "met": value >= at_least if at_most is None else value <= at_most}


def publish(name, driver, figures, goals_of, path=None):
    """Writes what was measured now, and leaves what the file has of other parts. Prints the goals."""
    path = path or result_file(name, driver)
    if path.exists():
        before = json.loads(path.read_text()).get("figures", {})
        figures = {**before, **figures}
    goals = goals_of(figures)
    result = {"benchmark": name, "driver": driver, "load_of_this_machine": [round(load, 2) for load in os.getloadavg()],
              "figures": figures, "goals": goals}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\n{name}, driver {driver}:\n\n| goal | limit | measured | met |\n| --- | --- | --- | --- |")
    for one in goals:
        limit = f"at least {one['at_least']}" if "at_least" in one else f"at most {one['at_most']}"
        print(f"| {one['what']} | {limit} | {one['value']} | {'yes' if one['met'] else 'no'} |")
