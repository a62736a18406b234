"""client-go that speaks nothing but protobuf, against a server alone; and Go and wherry read each other's bytes."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients import program
from tests.support.apiserver import Running, running_apiserver
from tests.support.random_objects import KINDS, message_for, random_object
from wherry.apiserver.protobuf import to_json
from wherry.apiserver.protobuf_writer import enclosed
from wherry.machinery import codec

pytestmark = [pytest.mark.host, pytest.mark.looptime(False)]

EACH = 15


async def go(test: str, **env: str) -> None:
    """Run one of the Go tests."""
    binary = await asyncio.to_thread(program.build)
    process = await asyncio.create_subprocess_exec(
        str(binary / "operator.test"), f"-test.run=^{test}$", "-test.v", "-test.count=1", env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert f"--- PASS: {test} (" in out.decode(), out.decode()[-5000:]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A server with namespace `demo`."""
    async with running_apiserver(tmp_path) as server:
        made = await server.kubectl("create", "namespace", "demo")
        assert not made.code, made.err
        yield server


@pytest.mark.parametrize(
    "test", ["TestProtobufAlone", "TestProtobufOdds", "TestInformer", "TestWatchResumes", "TestLeaderElection"]
)
async def test_nothing_but_protobuf(running: Running, test: str) -> None:
    await go(test, KUBECONFIG=str(running.kubeconfig()), NAMESPACE="demo", ALONE="1")


async def test_bytes_mean_the_same_to_go(tmp_path: Path) -> None:
    """Random objects of every kind that Go has types for: what it reads from our bytes, and what we read from its."""
    objects = {}
    for resource in (one for one in KINDS if one.group != "apiregistration.k8s.io"):
        for number in range(EACH):
            obj = random_object(resource, number)
            text = codec.as_go_writes(codec.encode(obj))  # as JSON within protobuf is; Go compares bytes
            stem = f"{resource.kind}.{resource.version}.{resource.group}-{number}"
            objects[stem] = (resource, obj)
            ours = enclosed(resource.api_version, resource.kind, message_for(resource), codec.to_dict(obj))
            (tmp_path / f"{stem}.json").write_bytes(text)
            (tmp_path / f"{stem}.pb").write_bytes(ours)
    await go("TestProtobufBytes", FOLDER=str(tmp_path))
    for stem, (resource, obj) in objects.items():
        written = to_json((tmp_path / f"{stem}.go").read_bytes())
        theirs = codec.decode(resource.type, re.sub(rb',?"divisor":"0"', b"", written))  # Go writes it when it is unset
        assert theirs == obj, stem  # as objects: a struct of zeros may be written or left out
