# SPDX-License-Identifier: Apache-2.0
"""Images that are none: one clear error, nothing left behind."""

import os
import pathlib

import pytest

from rig import host
from rig.chaosd import guest
from rig.images import BAD_IMAGES, bigger_than
from rig.rpc import RpcError


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_bad_image(daemon, client, kind):
    image = daemon.folder / "bad.elf"
    image.write_bytes(BAD_IMAGES[kind](pathlib.Path(guest("noop")).read_bytes()))
    daemon.await_full_pool()
    bodies = len(daemon.behind.bodies())
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": str(image), "memory": 4})
    assert error.value.name == "invalid_image"
    assert "bad.elf" in error.value.message
    assert daemon.names() == []
    assert daemon.domain_files() == []
    result = daemon.cli("create", daemon.write_config(kernel=str(image)))
    assert result.returncode in (1, 2)
    assert "bad.elf" in result.stderr
    daemon.await_full_pool()
    host.until(lambda: len(daemon.behind.bodies()) == bodies, what="as many domains and shells as before")
    daemon.create("noop", client)


def test_image_that_changes_is_read_again(daemon, client):
    image = daemon.folder / "guest.elf"
    image.write_bytes(b"no guest yet")
    with pytest.raises(RpcError):
        client.call("domain.create", config={"kernel": str(image), "memory": 4})
    image.write_bytes(pathlib.Path(guest("noop")).read_bytes())
    client.call("domain.create", config={"kernel": str(image), "memory": 4}, wait="ready")


def test_image_is_a_folder(daemon, client):
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": str(daemon.folder), "memory": 4})
    assert str(daemon.folder) in error.value.message


def test_image_is_a_pipe(daemon, client):
    pipe = daemon.folder / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": str(pipe), "memory": 4})
    assert "pipe" in error.value.message


def test_image_larger_than_the_domain(daemon, client):
    image = daemon.folder / "big.elf"
    image.write_bytes(bigger_than(pathlib.Path(guest("noop")).read_bytes(), 6 << 20))
    with pytest.raises(RpcError) as error:
        client.call("domain.create", config={"kernel": str(image), "memory": 4})
    assert "MiB" in error.value.message
    client.call("domain.create", config={"kernel": str(image), "memory": 16}, wait="ready")
