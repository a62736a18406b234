"""Folders of provisioned volumes: made on use, removed when asked, and nothing else ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from wherry.aio.clock import LoopClock
from wherry.api.core.node import NODE
from wherry.api.types.core import LocalVolumeSource, Node, PersistentVolume, PersistentVolumeSpec
from wherry.machinery.meta import Key, ObjectMeta
from wherry.node.config import AgentConfig
from wherry.node.hooks.hook import HookFault
from wherry.node.volumes.local import LocalVolumes, prepare

VOLUME = "pvc-0c1d2e3f-0000-4000-8000-000000000000"
N1 = Key("", "n1")


def config(root: Path) -> AgentConfig:
    return AgentConfig(name="n1", root=root, run=root / "run", addresses=("192.0.2.1",))


def volume(path: Path, name: str = VOLUME) -> PersistentVolume:
    meta = ObjectMeta(name=name, annotations={"pv.kubernetes.io/provisioned-by": "wherry.dev/local"})
    return PersistentVolume(metadata=meta, spec=PersistentVolumeSpec(local=LocalVolumeSource(path=str(path))))


def test_a_folder_is_made_once_and_kept(tmp_path: Path) -> None:
    own = tmp_path / "volumes" / VOLUME
    prepare(config(tmp_path), volume(own))
    assert own.stat().st_mode & 0o777 == 0o777
    (own / "data").write_text("x")
    prepare(config(tmp_path), volume(own))
    assert (own / "data").read_text() == "x"


@pytest.mark.parametrize("name", ["pvc-../../etc", "other", VOLUME])
def test_a_path_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HookFault, match="does not lie on this node"):
        prepare(config(tmp_path), volume(tmp_path / "elsewhere", name))


@pytest.mark.looptime(False)
async def test_says_where_and_removes_only_what_is_asked_for(tmp_path: Path) -> None:
    cluster = Cluster(LoopClock())
    keep, asked = tmp_path / "volumes" / "pvc-keep", tmp_path / "volumes" / VOLUME
    for folder in (keep, asked):
        folder.mkdir(parents=True)
        (folder / "data").write_text("x")
    (tmp_path / "outside").mkdir()
    marks = {f"remove.volumes.wherry.dev/{VOLUME}": "asked"}
    await cluster.create(NODE, Node(metadata=ObjectMeta(name="n1", annotations=marks)))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(LocalVolumes(config(tmp_path), cluster, LoopClock()).run())
        async with asyncio.timeout(5):
            while (await cluster.get(NODE, N1)).metadata.annotations.get("wherry.dev/volumes") is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()
    node = await cluster.get(NODE, N1)
    assert node.metadata.annotations == {
        "wherry.dev/volumes": str(tmp_path / "volumes"),
        f"remove.volumes.wherry.dev/{VOLUME}": "done",
    }
    assert keep.exists()
    assert not asked.exists()
    assert (tmp_path / "outside").exists()
