# SPDX-License-Identifier: Apache-2.0
"""Networks and addresses by themselves: made, shown, refused, given back."""

import json

import pytest

from rig import host
from rig.devices import GATEWAY, address_of, make_guest, make_network, on_net, reboot
from rig.rpc import RpcError

IP = "10.9.0.77"
MAC = "02:00:00:00:00:77"


def test_network_verbs(make_daemon, world):
    daemon = make_daemon(wrapper=world.enter())
    made = daemon.cli("network", "create", "lab", "--address", "10.1.0.1/24", "--uplink", "tap")
    assert made.returncode == 0, made.stderr
    assert "10.1.0.1/24" in world.ip("address show lab") and "UP" in world.ip("link show lab")
    looks_for_routers = world.run("cat", "/proc/sys/net/ipv6/conf/lab/accept_ra", check=False).stdout
    assert looks_for_routers in ("0\n", ""), "a solicitation wakes every guest"  # "": a kernel without IPv6
    assert {"default", "lab"} <= {n["name"] for n in json.loads(daemon.cli("network", "list", "--json").stdout)["networks"]}
    assert "10.1.0.1/24" in daemon.cli("network", "list").stdout
    assert "10.1.0.1/24" in daemon.cli("network", "info", "lab").stdout
    assert daemon.cli("network", "remove", "lab").returncode == 0
    assert "lab" not in world.ip("link show")
    assert daemon.cli("network", "info", "lab").returncode == 2


@pytest.mark.parametrize("keys, words", [
    ({"name": "net"}, ["net"]),
    ({"name": "x" * 16}, ["15"]),
    ({"name": "a/b"}, ["a/b"]),
    ({"name": ""}, []),
    ({"address": "10.9.9.9"}, ["10.9.9.9"]),
    ({"address": "10.9.0.1/40"}, ["10.9.0.1/40"]),
    ({"uplink": "carrier pigeon"}, ["carrier pigeon"]),
    ({"uplink": "bridge", "bridge": "br9"}, ["br9"]),
    ({"name": "lo"}, ["lo"]),
])
def test_network_that_can_not_be(networked, world, keys, words):
    before = world.ip("link show")
    with pytest.raises(RpcError) as error:
        make_network(networked, **{"name": "new", "address": "10.5.0.1/24", **keys})
    assert all(word in error.value.message for word in words), error.value.message
    assert world.ip("link show") == before
    names = [network["name"] for network in networked.client().call("network.list")["networks"]]
    assert sorted(names) == ["default", "net"]


def test_network_in_use_stays(networked, world):
    guest = make_guest(networked)
    with pytest.raises(RpcError) as error:
        networked.client().call("network.remove", name="net")
    assert error.value.name == "bad_state", error.value.message
    world.ping(address_of(networked, guest))
    networked.client().call("domain.destroy", id=guest["id"])
    networked.client().call("network.remove", name="net")
    assert "net" not in world.ip("-brief link show")


@pytest.mark.drivers("process", reason="nobody may use this driver's device")
def test_no_privilege_for_a_tap(make_daemon, world):
    daemon = make_daemon(start=False)
    daemon.give_to_nobody()
    daemon.wrapper = [*world.enter(), *host.NOBODY]
    daemon.start()
    with pytest.raises(RpcError) as error:
        make_network(daemon)
    assert error.value.name == "permission_denied" and "CAP_NET_ADMIN" in error.value.message
    assert "forward" in error.value.message
    make_network(daemon, uplink="none")


# ---- addresses


@pytest.mark.parametrize("vifs, words", [
    ([{"bridge": "nowhere"}], ["vifs[0]", "nowhere"]),
    ([{"bridge": "net", "ip": "10.200.0.1"}], ["vifs[0]", "10.200.0.1"]),
    ([{"bridge": "net", "ip": GATEWAY}], ["vifs[0]", GATEWAY]),
    ([{"bridge": "net", "ip": "10.9.0.0"}], ["vifs[0]", "10.9.0.0"]),
    ([{"bridge": "net", "ip": "10.9.0.255"}], ["vifs[0]", "10.9.0.255"]),
    ([{"bridge": "net", "mac": "01:00:00:00:00:01"}], ["vifs[0]", "01:00:00:00:00:01"]),
    ([on_net(mac=MAC), on_net(mac=MAC)], ["vifs[1]", MAC]),
    ([on_net(ip=IP), on_net(ip=IP)], ["vifs[1]", IP]),
    ([on_net(ip="10.9.0.50")], ["vifs[0]", "10.9.0.50"]),
    ([on_net(mac="02:00:00:00:00:50")], ["vifs[0]", "02:00:00:00:00:50"]),
])
def test_address_that_can_not_be(networked, vifs, words):
    """Told before anything is made."""
    networked.create("httpd", vifs=[on_net(ip="10.9.0.50", mac="02:00:00:00:00:50")], memory=8, name="first")
    with pytest.raises(RpcError) as error:
        networked.create("httpd", vifs=vifs, memory=8)
    assert all(word in error.value.message for word in words), error.value.message
    assert networked.names() == ["first"] and len(networked.domain_files()) == 1


def test_addresses_come_back(make_daemon, world):
    """A network of six addresses, less those that nobody may have."""
    daemon = make_daemon(wrapper=world.enter())
    make_network(daemon, address="10.9.0.1/29", uplink="none")
    client, made = daemon.client(), []
    with pytest.raises(RpcError) as error:
        while True:
            made.append(make_guest(daemon))
    assert "no " in error.value.message and "net" in error.value.message, error.value.message
    assert 3 <= len(made) <= 5
    freed = address_of(daemon, made[1])
    client.call("domain.destroy", id=made.pop(1)["id"])
    assert address_of(daemon, make_guest(daemon)) == freed


def test_address_stays_over_a_reboot(networked, world):
    guest = make_guest(networked)
    address = address_of(networked, guest)
    again = reboot(networked, guest)
    world.ping(address)
    assert address_of(networked, again) == address
    assert world.status_of(f"http://{address}/") == "200"
