"""The configuration: what follows from it, what it refuses, and that it comes back from its file."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wherry.app import config as configuration
from wherry.app import version
from wherry.app.config import Acme, Config, ConfigError
from wherry.network import nodes


def test_one_node_is_named_after_the_host() -> None:
    (node,) = Config(hostname="laptop").machines()
    assert (node.name, node.netns, node.address) == ("laptop", "", "")


def test_several_nodes_get_namespaces_and_fixed_addresses() -> None:
    first, second, third = Config(nodes=3).machines()
    assert (first.name, first.netns, first.address) == ("wherry-1", "", "10.89.0.1")
    assert (third.name, third.address) == ("wherry-3", "10.89.0.3")
    assert second.netns == nodes.netns_of(second.name)
    assert Config().bridge_address == str(nodes.machine_address())


def test_agents_reach_the_api_where_no_change_of_address_matters() -> None:
    config = Config(nodes=2)
    assert config.api_url() == "https://127.0.0.1:6443"
    assert [config.api_url(node) for node in config.machines()] == [
        "https://127.0.0.1:6443",
        "https://10.89.0.1:6443",
    ]


def test_each_root_has_its_own_run_folder_and_control_group() -> None:
    assert Config().run == Path("/run/wherry")
    assert Config().cgroup("n") == "/wherry/n"
    other, third = Config(root="/a"), Config(root="/b")
    assert len({Config().run, other.run, third.run}) == 3
    assert other.cgroup() == f"/{other.run.name}"


def test_nodes_of_two_clusters_have_namespaces_of_their_own() -> None:
    found = [Config(root=root, nodes=2).machines()[1] for root in ("/a", "/b")]
    assert len({node.netns for node in found}) == 2
    assert {node.name for node in found} == {"wherry-2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": 0}, "--nodes 0 is not between"),
        ({"nodes": 51}, "--nodes 51 is not between"),
        ({"pod_cidr": "10.96.0.0/12"}, "overlap; choose separate networks"),
        ({"service_cidr": "10.97.0.0/16"}, "is not in --service-cidr"),
        ({"pod_cidr": "10.244.0.1/16"}, "write it like"),
        ({"root": "state"}, "absolute path"),
    ],
)
def test_what_cannot_work_is_refused_with_a_remedy(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        msgspec.structs.replace(Config(), **change).validate()


def test_comes_back_from_its_file(tmp_path: Path) -> None:
    config = Config(root=str(tmp_path / "root"), nodes=3)
    assert configuration.load(config.state) is None
    assert configuration.save(config)
    assert not configuration.save(config)
    again = configuration.load(config.state)
    assert again == config
    assert not configuration.save(again), "what is read and saved again is the same to the byte"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text('{"nodes": "three"}')
    with pytest.raises(ConfigError, match=r"cluster\.json is damaged"):
        configuration.load(tmp_path)


def kept(root: Path, **change: Any) -> None:
    """Change what the file says."""
    file = configuration.path(root)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def test_the_file_says_by_what_it_was_written(tmp_path: Path) -> None:
    assert configuration.head(tmp_path) is None
    configuration.save(Config(root=str(tmp_path)))
    assert configuration.head(tmp_path) == configuration.Head(configuration.FORMAT, version.wherry())
    (tmp_path / "cluster.json").write_text('{"nodes": 3}')
    assert configuration.head(tmp_path) == configuration.Head(1, "")
    assert configuration.load(tmp_path) == Config(nodes=3)


def test_a_later_format_is_refused_before_anything_else_is_read(tmp_path: Path) -> None:
    configuration.save(Config(root=str(tmp_path)))
    kept(tmp_path, format=configuration.FORMAT + 1, version="9.8.0", nodes="new")
    with pytest.raises(ConfigError) as caught:
        configuration.load(tmp_path)
    assert str(caught.value) == (
        f"the state under {tmp_path} has format 2, and wherry {version.wherry()} knows formats up to 1; use wherry"
        " 9.8.0, or restore a backup"
    )


def test_settings_of_another_version_are_passed_over(tmp_path: Path) -> None:
    config = Config(root=str(tmp_path), nodes=3, acme=Acme("me@example.org"))
    configuration.save(config)
    acme = {"email": "me@example.org", "colour": "green"}
    kept(tmp_path, version="0.2.0", shape="round", acme=acme)
    assert configuration.load(tmp_path) == config
    kept(tmp_path, version="0.2.0", nodes="three")
    with pytest.raises(ConfigError, match=r"cluster\.json is damaged"):
        configuration.load(tmp_path)


@pytest.mark.parametrize("change", [{"shape": "round"}, {"acme": {"colour": "green"}}])
def test_settings_that_this_version_cannot_have_written_are_damage(tmp_path: Path, change: dict[str, Any]) -> None:
    configuration.save(Config(root=str(tmp_path)))
    kept(tmp_path, **change)
    with pytest.raises(ConfigError, match=r"cluster\.json is damaged"):
        configuration.load(tmp_path)


@pytest.mark.parametrize(
    ("host", "node"), [("Laptop", "laptop"), ("my_host.local", "my-host.local"), ("-", "node"), ("a" * 80, "a" * 63)]
)
def test_node_names_are_dns_names(host: str, node: str) -> None:
    assert configuration.node_name(host) == node


@pytest.mark.parametrize(
    "text", ["mirror.example", "a b=http://c", "../x=http://c", "docker.io=ftp://c", 'docker.io=http://c"', "=http://c"]
)
def test_what_does_not_name_a_registry_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        configuration.registry(text)


def test_a_registry_has_a_url_or_is_forgotten() -> None:
    assert configuration.registry("lan:5000=http://lan:5000") == ("lan:5000", "http://lan:5000")
    assert configuration.registry("docker.io=https://[fd00::1]:5000/v2/mirror")[1].endswith("/mirror")
    assert configuration.registry("docker.io=") == ("docker.io", "")


def test_a_registry_in_the_file_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="not name a registry"):
        Config(registries={"../../etc": "http://c"}).validate()


@pytest.mark.parametrize(
    ("acme", "why"),
    [
        (Acme("me"), "not an e-mail address"),
        (Acme("me@example.org\n"), "not an e-mail address"),
        (Acme("me@example.org", "http://ca.test/dir"), "not an https:// URL"),
        (Acme("me@example.org", "https://ca.test/dir x"), "not an https:// URL"),
        (Acme(directory="https://ca.test/dir"), "needs --acme-email"),
    ],
)
def test_acme_needs_somebody_who_accepts_the_terms(acme: Acme, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Config(acme=acme).validate()


def test_acme_settings_that_work() -> None:
    Config(acme=Acme("me@example.org", "https://10.0.0.1:14000/dir", "/etc/ca.crt")).validate()
