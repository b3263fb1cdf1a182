# SPDX-License-Identifier: Apache-2.0
"""Metrics in Prometheus text format; the JSON Schema and the examples in configs/."""

import json
import re

import jsonschema
import pytest

from rig.chaosd import ROOT
from rig.devices import sparse_file

CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.json")
                 if path.name not in ("chaosd.json", "vm.schema.json"))
SAMPLE = re.compile(r'^[a-z_:][a-z0-9_:]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eInf]+$')


def without_comments(text):
    """The JSON of a commented document; comment marks inside strings stay."""
    pattern = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.S)
    return json.loads(pattern.sub(lambda match: match.group(1) or "", text))


def test_metrics_are_prometheus_text(daemon, client):
    daemon.create("noop", client, count=3)
    text = client.call("metrics.get")["text"]
    for line in text.splitlines():
        assert line.startswith("# ") or SAMPLE.match(line), line


def test_metrics_count(daemon, client):
    daemon.create("noop", client, count=3)
    text = client.call("metrics.get")["text"]
    created = [line for line in text.splitlines() if re.match(r"chaos_\w*created\w* ", line)]
    assert created and float(created[0].split()[-1]) == 3


def test_metrics_have_a_histogram_of_each_phase(daemon, client):
    daemon.create("noop", client)
    text = client.call("metrics.get")["text"]
    for phase in ("claim", "record", "image", "boot"):
        assert re.search(rf'_bucket\{{[^}}]*phase="{phase}"[^}}]*le="\+Inf"', text), phase


def test_metrics_sum_what_devices_moved(daemon, client):
    """Also those of guests that are gone."""
    def metric(name):
        found = re.search(rf"^{name} (\d+)$", client.call("metrics.get")["text"], re.M)
        return int(found.group(1)) if found else 0

    path = sparse_file(daemon, 1 << 20)
    guest = daemon.create("blkcheck", client, wait="created", memory=16, cmdline="mode=verify", vifs=[{}],
                          vbds=[{"target": str(path)}])
    client.call("domain.wait", id=guest["id"])
    assert metric("chaos_vbds") == 0
    assert metric("chaos_vbd_written_bytes_total") == 1 << 20
    assert metric("chaos_vbd_read_bytes_total") == 1 << 20
    assert metric("chaos_vbd_errors_total") == 0
    assert "chaos_vif_tx_bytes_total" in client.call("metrics.get")["text"]


def test_schema_is_valid_and_served(client):
    served = client.call("schema.get")
    served = served.get("schema", served)
    shipped = json.loads((ROOT / "configs/vm.schema.json").read_text())
    assert served == shipped
    jsonschema.validators.validator_for(shipped).check_schema(shipped)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_example_fits_the_schema(path):
    schema = json.loads((ROOT / "configs/vm.schema.json").read_text())
    jsonschema.validate(without_comments(path.read_text()), schema)


@pytest.mark.parametrize("document", [
    {}, {"kernel": 1}, {"kernel": "a", "memory": True}, {"kernel": "a", "colour": "red"}, {"kernel": "a", "vcpus": 0},
    {"kernel": "a", "on_crash": "explode"}, {"kernel": "a", "vifs": {}},
])
def test_schema_refuses_what_the_parser_refuses(daemon, client, document):
    schema = json.loads((ROOT / "configs/vm.schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)
    assert daemon.cli("config", "validate", daemon.write_config(text=json.dumps(document))).returncode == 2


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_example_is_valid_for_the_parser(daemon, path):
    result = daemon.cli("config", "validate", f"configs/{path.name}", cwd=daemon.copy_configs())
    assert result.returncode == 0, result.stderr


def test_example_runs_as_the_readme_says(daemon):
    result = daemon.cli("create", "-c", "configs/hello.json", cwd=daemon.copy_configs())
    assert result.returncode == 0, result.stderr
    assert "Hello" in result.stdout
