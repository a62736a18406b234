"""The user's kubeconfig: nothing of theirs is lost, and deleting the cluster leaves the file as it was."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.host import kubeconfig
from wherry.host.kubeconfig import Caller

OURS: dict[str, Any] = {
    "clusters": [{"name": "wherry", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "wherry", "user": {"client-key-data": "x"}}],
    "contexts": [{"name": "wherry", "context": {"cluster": "wherry", "user": "wherry"}}],
    "current-context": "wherry",
}
THEIRS = """\
# my clusters
apiVersion: v1
kind: Config
clusters:
- {name: prod, cluster: {server: "https://prod"}}
users:
- {name: me, user: {token: t}}
contexts:
- {name: prod, context: {cluster: prod, user: me}}
current-context: prod
preferences: {colors: true}
"""


@pytest.fixture
def me() -> Caller:
    return Caller(os.geteuid(), os.getegid(), Path("/nonexistent"))


def test_a_new_file_is_private_and_goes_again(tmp_path: Path, me: Caller) -> None:
    file = tmp_path / ".kube" / "config"
    assert kubeconfig.install(file, OURS, me)
    assert not kubeconfig.install(file, OURS, me)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert yaml.safe_load(file.read_text())["current-context"] == "wherry"
    assert kubeconfig.remove(file, me)
    assert not file.exists()
    assert not kubeconfig.remove(file, me)


def test_an_existing_file_comes_back_byte_for_byte(tmp_path: Path, me: Caller) -> None:
    file = tmp_path / "config"
    file.write_text(THEIRS)
    kubeconfig.install(file, OURS, me)
    merged = yaml.safe_load(file.read_text())
    assert [entry["name"] for entry in merged["contexts"]] == ["prod", "wherry"]
    assert merged["current-context"] == "wherry"
    assert merged["preferences"] == {"colors": True}
    kubeconfig.remove(file, me)
    assert file.read_text() == THEIRS
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


def test_what_the_user_changed_meanwhile_stays(tmp_path: Path, me: Caller) -> None:
    file = tmp_path / "config"
    file.write_text(THEIRS)
    kubeconfig.install(file, OURS, me)
    merged = yaml.safe_load(file.read_text())
    merged["contexts"].append({"name": "new", "context": {"cluster": "prod", "user": "me"}})
    file.write_text(yaml.safe_dump(merged))
    kubeconfig.remove(file, me)
    left = yaml.safe_load(file.read_text())
    assert [entry["name"] for entry in left["contexts"]] == ["prod", "new"]
    assert left["current-context"] == "prod"


def test_another_context_chosen_meanwhile_stays_chosen(tmp_path: Path, me: Caller) -> None:
    file = tmp_path / "config"
    file.write_text(THEIRS.replace("current-context: prod", "current-context: ''"))
    kubeconfig.install(file, OURS, me)
    merged = yaml.safe_load(file.read_text())
    merged["current-context"] = "prod"
    file.write_text(yaml.safe_dump(merged))
    kubeconfig.remove(file, me)
    assert yaml.safe_load(file.read_text())["current-context"] == "prod"


def test_renewed_credentials_replace_the_old_and_keep_the_first_backup(tmp_path: Path, me: Caller) -> None:
    file = tmp_path / "config"
    file.write_text(THEIRS)
    kubeconfig.install(file, OURS, me)
    renewed = {**OURS, "users": [{"name": "wherry", "user": {"client-key-data": "y"}}]}
    assert kubeconfig.install(file, renewed, me)
    assert yaml.safe_load(file.read_text())["users"][1]["user"] == {"client-key-data": "y"}
    assert (tmp_path / "config.before-wherry").read_text() == THEIRS


@pytest.mark.parametrize("text", ["- a list", "clusters: [word]", "{"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path, me: Caller, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(kubeconfig.KubeconfigError, match="set KUBECONFIG"):
        kubeconfig.install(file, OURS, me)
    assert file.read_text() == text


def test_kubeconfig_variable_comes_first(me: Caller) -> None:
    assert kubeconfig.location({"KUBECONFIG": ":/a:/b"}, me) == Path("/a")
    assert kubeconfig.location({}, me) == Path("/nonexistent/.kube/config")


def test_without_sudo_the_user_is_oneself() -> None:
    assert kubeconfig.caller({"HOME": "/h", "SUDO_USER": "no such user"}) == Caller(
        os.geteuid(), os.getegid(), Path("/h")
    )
