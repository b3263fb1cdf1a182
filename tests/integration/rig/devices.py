# SPDX-License-Identifier: Apache-2.0
"""Networks and devices of a daemon, as its API tells of them."""

from rig import host
from rig.events import Events

GATEWAY = "10.9.0.1"
ADDRESS = f"{GATEWAY}/24"


def make_network(daemon, name="net", address=ADDRESS, **keys):
    """By default a tap device of that name, on the host as the daemon sees it."""
    return daemon.client().call("network.create", {"name": name, "address": address, "uplink": "tap", **keys})


def on_net(**keys):
    return {"bridge": "net", **keys}


def make_guest(daemon, image="httpd", /, cmdline="", count=1, **keys):
    """With a vif on the network `net`."""
    return daemon.create(image, cmdline=cmdline, count=count, vifs=[on_net(**keys)], memory=8)


def reboot(daemon, guest):
    """Returns what it is afterwards, when it is ready again."""
    events = Events(daemon)
    daemon.ask("domain.reboot", id=guest["id"])
    events.wait("ready", name=guest["name"])
    return next(domain for domain in daemon.ask("domain.list")["domains"] if domain["name"] == guest["name"])


def devices_of(daemon, domain, kind=None):
    found = daemon.ask("domain.get", id=domain["id"])["devices"]
    return [device for device in found if kind in (None, device["type"])]


def device_of(daemon, domain, kind, index=0):
    return devices_of(daemon, domain, kind)[index]


def address_of(daemon, domain, index=0):
    """Without its prefix."""
    return device_of(daemon, domain, "vif", index)["ip"].split("/")[0]


def count(daemon, domain, kind, name, index=0):
    """One that the data plane has not taken yet counts nothing."""
    counters = device_of(daemon, domain, kind, index)["counters"]
    return counters[name] if counters else 0


def is_served(device):
    return device["backend"] == device["frontend"] == "connected" and not device.get("stopped")


def await_served(daemon, domain):
    """All of its devices: their guest has found them, their backend serves them."""
    host.until(lambda: all(map(is_served, devices_of(daemon, domain))),
               what="all devices are served")
    return devices_of(daemon, domain)


def await_stopped(daemon, domain, kind, index=0):
    """Returns why."""
    return host.until(lambda: device_of(daemon, domain, kind, index).get("stopped"), what=f"the {kind} is stopped")


def sparse_file(daemon, size, name="disk.img"):
    path = daemon.folder / name
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def used_bytes(path):
    """What a sparse file really holds."""
    return path.stat().st_blocks * 512
