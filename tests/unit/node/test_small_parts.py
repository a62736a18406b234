"""Image names and credentials, status differences, atomic volumes, last words, remembered pods, events."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path

import pytest

from tests.support.fakeapi import FakeAPI, merged
from tests.unit.node.pods import container, made, pod
from wherry.aio.clock import LoopClock
from wherry.api.core.event import EVENT
from wherry.api.core.secret import SECRET
from wherry.api.types.core import Secret
from wherry.client.events import Recorder
from wherry.host import mounts
from wherry.machinery.meta import ObjectMeta
from wherry.node import lastwords, pulls, remember
from wherry.node.pullrecords import PullRecords
from wherry.node.runtime.interface import Auth, State
from wherry.node.runtime.simulated import Simulated
from wherry.node.status import difference
from wherry.node.volumes import atomic
from wherry.node.volumes.atomic import File


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"), ("a/b:1", "docker.io/a/b:1"),
        ("localhost/x", "localhost/x:latest"), ("r.example:5000/a/b", "r.example:5000/a/b:latest"),
        (f"a@sha256:{'0' * 64}", f"docker.io/library/a@sha256:{'0' * 64}"),
        ("wherry.local/demo/web:2", "wherry.local/demo/web:2"),
        ("UPPER", None), ("", None), ("a b", None), ("a:", None),
    ],
)  # fmt: skip
def test_image_names(given: str, full: str | None) -> None:
    assert pulls.normal_name(given) == full


def test_the_longest_matching_credentials_come_first() -> None:
    auth = base64.b64encode(b"u:p:q").decode()
    secret = {".dockerconfigjson": json.dumps({"auths": {
        "https://index.docker.io/v1/": {"auth": auth}, "r.example": {"username": "a", "password": "b"},
        "r.example/team": {"username": "c", "password": "d"}, "*.example": {"username": "e", "password": "f"},
    }}).encode()}  # fmt: skip
    found = pulls.credentials("r.example/team/x:1", [secret, {".dockercfg": b"nonsense"}])
    assert [one.username for one in found] == ["c", "e", "a"] or [one.username for one in found] == ["c", "a", "e"]
    assert pulls.credentials("nginx", [secret]) == [Auth("u", "p:q", server="https://index.docker.io/v1/")]
    assert pulls.credentials("r.example.evil/x", [secret]) == []
    assert "p:q" not in repr(found) + repr(pulls.credentials("nginx", [secret]))


def test_only_what_differs_is_sent_and_others_conditions_stay() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "x"}
    gate = {"type": "gate", "status": "True"}
    old = {"phase": "Pending", "podIP": "1", "podIPs": [{"ip": "1"}], "conditions": [ready, gate]}
    new = {"phase": "Running", "podIPs": [{"ip": "2"}], "conditions": [{"type": "Ready", "status": "True"}]}
    patch = difference(old, new)
    assert patch == {
        "phase": "Running", "podIP": None, "podIPs": [{"ip": "2"}, {"$patch": "replace"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": None}],
    }  # fmt: skip
    after = merged(old, patch)
    assert after["conditions"] == [{"type": "Ready", "status": "True"}, {"type": "gate", "status": "True"}]
    assert difference(new, new) == {}


def test_volumes_change_all_at_once(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}, None)
    first = (tmp_path / "..data").readlink()
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "d" / "b").stat().st_mode & 0o777 == 0o400
    assert not atomic.write(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}, None)
    assert atomic.write(tmp_path, {"a": File(b"3", 0o644)}, None)
    assert (tmp_path / "a").read_text() == "3"
    assert sorted(one.name for one in tmp_path.iterdir() if not one.name.startswith("..")) == ["a"]
    assert not (tmp_path / first).exists()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..x", ""])
def test_volume_paths_that_lead_out_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="invalid path"):
        atomic.write(tmp_path, {path: File(b"", 0o644)}, None)


def test_no_link_leads_out_of_a_volume(tmp_path: Path) -> None:
    """The canary outside stays out of reach, whatever links the volume holds."""
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").write_text("secret")
    volume.mkdir()
    (volume / "up").symlink_to("../outside")
    (volume / "root").symlink_to(outside)
    for path in ("up/canary", "root/canary", "../outside/canary"):
        with pytest.raises(OSError, match=r"No such file|must not contain"):
            os.close(mounts.folder_beneath(volume, path))
    descriptor = mounts.folder_beneath(volume, "new/sub")
    os.close(descriptor)
    assert (volume / "new" / "sub").is_dir()


def test_last_words(tmp_path: Path) -> None:
    message, log = tmp_path / "message", tmp_path / "0.log"
    log.write_text("1 stdout F one\n2 stderr P tw\n3 stderr F o\n")
    dead = made("c", State.EXITED, exit_code=1, log_path=str(log))
    assert lastwords.read(message, dead, "File") == ""
    assert lastwords.read(message, dead, "FallbackToLogsOnError") == "one\ntwo\n"
    assert lastwords.read(message, made("c", State.EXITED, log_path=str(log)), "FallbackToLogsOnError") == ""
    message.write_text("x" * 9000)
    assert len(lastwords.read(message, dead, "File")) == 4096
    message.unlink()
    message.symlink_to(log)
    assert lastwords.read(message, dead, "File") == ""


def test_pods_are_remembered(tmp_path: Path) -> None:
    remember.save(tmp_path, pod("c"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "pod.json").write_text("{")
    assert list(remember.load(tmp_path)) == [pod("c")]
    assert (tmp_path / "u" / "pod.json").stat().st_mode & 0o777 == 0o600
    remember.forget(tmp_path, "u")
    assert not (tmp_path / "u").exists()


async def test_the_same_event_is_counted_and_chatter_is_cut() -> None:
    api, clock = FakeAPI(), LoopClock()
    recorder = Recorder(api, clock, "kubelet", "n1")
    task = asyncio.get_running_loop().create_task(recorder.run())
    for _ in range(3):
        recorder.event(pod("c"), "Warning", "BackOff", "again", part="spec.containers{c}")
        await asyncio.sleep(20)
    (event,) = (await api.list(EVENT)).items
    assert (event.count, event.reason, event.source.component, event.source.host) == (3, "BackOff", "kubelet", "n1")
    assert event.first_timestamp != event.last_timestamp
    for number in range(100):
        recorder.event(pod("c"), "Normal", "Chatter", str(number))
    await asyncio.sleep(1)
    assert len((await api.list(EVENT)).items) <= 27
    task.cancel()


async def test_an_image_that_was_pulled_with_a_secret_is_not_everybodys(tmp_path: Path) -> None:
    api, clock = FakeAPI(), LoopClock()
    body = json.dumps({"auths": {"r.example": {"username": "u", "password": "p"}}}).encode()
    meta = ObjectMeta(name="s", namespace="default")
    await api.create(SECRET, Secret(metadata=meta, data={".dockerconfigjson": body}))
    path = tmp_path / "pulls.json"
    runtime = Simulated(clock, images=("r.example/loaded:1",))
    puller = pulls.Puller(runtime, api, clock, PullRecords(path))
    said: list[str] = []

    async def get(image: str, *, secret: bool) -> None:
        one = pod(imagePullSecrets=[{"name": "s"}] if secret else [], containers=[container("c", image=image)])
        await puller.get(one, one.spec.containers[0], lambda _, reason, __: said.append(reason))

    await get("r.example/private:1", secret=True)
    await get("r.example/private:1", secret=True)
    assert said == ["Pulling", "Pulled", "Pulled"]
    puller.records = PullRecords(path)
    said.clear()
    await get("r.example/private:1", secret=False)
    assert said == ["Pulling", "Pulled"]
    said.clear()
    await get("r.example/loaded:1", secret=False)
    assert said == ["Pulled"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert '"p"' not in path.read_text()
