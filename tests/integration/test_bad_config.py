# SPDX-License-Identifier: Apache-2.0
"""Configurations that are wrong: one clear error, exit code 2, nothing left behind."""

import os

import pytest

from rig.chaosd import guest
from rig.devices import sparse_file

KERNEL = '"kernel": "%s"' % guest("noop")

# text of vm.json -> words that the error must hold; line:column where the place is certain
BAD = {
    "empty": ("", []),
    "no JSON": ("kernel = noop", [":1:1"]),
    "cut off": ('{' + KERNEL, []),
    "array": ("[]", ["object"]),
    "no kernel": ('{"memory": 4}', ["kernel"]),
    "unknown key": ('{\n  ' + KERNEL + ',\n  "memroy": 4\n}', [":3:3", "memroy", "memory"]),
    "repeated key": ('{\n  ' + KERNEL + ',\n  "memory": 4,\n  "memory": 8\n}', [":4:3", "memory"]),
    "kernel is a number": ('{\n  "kernel": 7\n}', [":2:13", "kernel", "string"]),
    "memory is a word": ('{' + KERNEL + ',\n "memory": "lots"}', [":2:12", "memory"]),
    "memory is negative": ('{' + KERNEL + ',\n "memory": -4}', [":2:12", "memory"]),
    "memory is zero": ('{' + KERNEL + ',\n "memory": 0}', [":2:12", "memory"]),
    "memory is a fraction": ('{' + KERNEL + ',\n "memory": 4.5}', [":2:12", "memory"]),
    "memory overflows": ('{' + KERNEL + ',\n "memory": "99999999999999999999GiB"}', [":2:12", "memory"]),
    "memory is true": ('{' + KERNEL + ',\n "memory": true}', [":2:12", "memory"]),
    "no vcpu": ('{' + KERNEL + ',\n "vcpus": 0}', [":2:11", "vcpus"]),
    "name is no name": ('{' + KERNEL + ',\n "name": "a b/c"}', [":2:10", "name"]),
    "name is a number": ('{' + KERNEL + ',\n "name": "17"}', [":2:10", "name"]),
    "bad mac": ('{' + KERNEL + ',\n "vifs": [{"mac": "zz:00:00:00:00:00"}]}', [":2:", "vifs[0].mac"]),
    "unknown key inside": ('{' + KERNEL + ',\n "vbds": [{"colour": 1}]}', [":2:", "colour"]),
    "no UTF-8": ('{' + KERNEL + ', "name": "\udcff\udcfe"}', []),
    "deep": ("[" * 100000, []),
    "trailing": ('{' + KERNEL + '} {}', []),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_configuration(daemon, what):
    text, words = BAD[what]
    path = daemon.folder / "vm.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    result = daemon.cli("create", path)
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert result.stderr.startswith("chaos: ")
    for word in ["vm.json", *words]:
        assert word in result.stderr, result.stderr
    assert daemon.names() == []
    assert daemon.domain_files() == []


@pytest.mark.parametrize("verb", (["create"], ["config", "validate"], ["create", "--dry-run"]))
def test_missing_file(daemon, verb):
    result = daemon.cli(*verb, daemon.folder / "nothing-there.json")
    assert result.returncode == 2
    assert "nothing-there.json" in result.stderr and "No such file" in result.stderr


def test_configuration_is_a_folder(daemon):
    result = daemon.cli("create", daemon.folder)
    assert result.returncode == 2
    assert str(daemon.folder) in result.stderr


def test_huge_configuration(daemon):
    result = daemon.cli("create", daemon.write_config(text='{"name": "' + "x" * (4 << 20) + '"}'))
    assert result.returncode == 2


def test_unreadable_file(daemon, as_nobody):
    path = daemon.write_config()
    os.chmod(path, 0o000)
    os.chmod(daemon.folder, 0o755)
    result = as_nobody("config", "validate", path)
    assert result.returncode == 2
    assert "Permission denied" in result.stderr


def test_missing_kernel_names_the_place(daemon):
    result = daemon.cli("create", daemon.write_config(text='{\n  "kernel": "no/such/kernel.elf"\n}'))
    assert result.returncode == 2
    for word in (":2:13", "kernel", "no/such/kernel.elf"):
        assert word in result.stderr, result.stderr


def test_memory_that_no_machine_has(daemon):
    result = daemon.cli("create", daemon.write_config(memory="1024GiB"))
    assert result.returncode in (1, 2)
    assert "memory" in result.stderr.lower() or "GiB" in result.stderr
    assert daemon.domain_files() == []


def test_more_vcpus_than_the_driver_has(daemon):
    result = daemon.cli("create", daemon.write_config(vcpus=4000))
    assert result.returncode in (1, 2)
    assert "vcpu" in result.stderr.lower()


@pytest.mark.parametrize("device, place", [
    ({"vifs": [{}, {"ip": "300.0.0.1"}]}, "vifs[1].ip"),
    ({"vifs": [{"ip": "10.107.0.5/33"}]}, "vifs[0].ip"),
    ({"vifs": [{"mac": "02:00:00:00:00"}]}, "vifs[0].mac"),
    ({"vifs": [{"mac": "01:00:00:00:00:01"}]}, "vifs[0].mac"),
    ({"vifs": [{"rate": "fast"}]}, "vifs[0].rate"),
    ({"vifs": [{"spoof_check": "yes"}]}, "vifs[0].spoof_check"),
    ({"vifs": [{"ip": "10.107.0.5"}, {"ip": "10.107.0.5"}]}, "vifs[1]"),
    ({"vifs": [{"mac": "02:00:00:00:00:05"}, {"mac": "02:00:00:00:00:05"}]}, "vifs[1]"),
    ({"vbds": [{"access": "r"}]}, "vbds[0]"),
    ({"vbds": [{"target": "/dev/null", "access": "sometimes"}]}, "vbds[0].access"),
    ({"vbds": [{"target": "/dev/null", "type": "tape"}]}, "vbds[0].type"),
    ({"vbds": [{"target": "/dev/null", "vdev": "xvda"}] * 2}, "vbds[1]"),
])
def test_wrong_device(daemon, device, place):
    path = daemon.write_config(**device)
    for verb in (("config", "validate"), ("create",)):
        result = daemon.cli(*verb, path)
        assert result.returncode == 2, result.stderr
        assert place in result.stderr and "vm.json" in result.stderr, result.stderr
    assert daemon.names() == []


@pytest.mark.parametrize("device, words", [
    ({"vifs": [{}, {"bridge": "nowhere"}]}, ("vifs[1].bridge", "nowhere", "chaos network")),
    ({"vifs": [{}, {"ip": "192.0.2.1"}]}, ("vifs[1].ip", "192.0.2.1", "10.107.0.1/16")),
    ({"vifs": [{}, {"ip": "10.107.0.1"}]}, ("vifs[1].ip", "10.107.0.1")),
    ({"vifs": [{}, {"mac": "02:00:00:00:00:05"}]}, ("vifs[1].mac", "02:00:00:00:00:05", "another vif")),
    ({"vbds": [{"target": "missing.img"}]}, ("vbds[0]", "missing.img", "No such file")),
    ({"vbds": [{"target": "/dev/zero"}]}, ("vbds[0]", "/dev/zero", "neither a file nor a block device")),
    ({"vbds": [{"target": "used.img"}]}, ("vbds[0]", "used.img", "in use")),
])
def test_device_that_can_not_be_had(daemon, device, words):
    """Sound by itself, and not to be had on this host: told in one line, before anything is made."""
    sparse_file(daemon, 1 << 20, "used.img")
    holder = daemon.write_config("first.json", name="first", vifs=[{"mac": "02:00:00:00:00:05"}],
                                 vbds=[{"target": "used.img"}])
    assert daemon.cli("create", holder).returncode == 0
    path = daemon.write_config(**device)
    for verb in (("create",), ("create", "--dry-run"), ("create", "-n", 3)):
        result = daemon.cli(*verb, path)
        assert result.returncode in (1, 2) and result.stdout == "", result
        assert result.stderr.startswith("chaos: ") and result.stderr.count("\n") == 1, result.stderr
        assert all(word in result.stderr for word in words), result.stderr
    assert daemon.names() == ["first"] and len(daemon.domain_files()) == 1


@pytest.mark.parametrize("override", ("memory=lots", "colour=red", "memory", "=4", "vcpus.count=x"))
def test_bad_override(daemon, override):
    result = daemon.cli("create", daemon.write_config(), override)
    assert result.returncode == 2
    assert override.split("=")[0] in result.stderr


def test_good_overrides(daemon):
    result = daemon.cli("create", daemon.write_config(), "name=web", "memory=8MiB")
    assert result.returncode == 0, result.stderr
    assert daemon.names() == ["web"]
