"""The command line as a user meets it: help for everything, errors as one sentence, never a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wherry.app.config import ConfigError
from wherry.app.rest import ApiUnreachable
from wherry.app.steps import Failed
from wherry.cli.main import COMMANDS, wherry
from wherry.cli.output import explain


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-m", "wherry.cli.main", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS if name != "kubectl"])
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(wherry, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_lists_every_command() -> None:
    output = CliRunner().invoke(wherry, ["--help"]).output
    assert all(f"  {name} " in output for name, _ in COMMANDS)


def test_without_a_cluster_the_remedy_is_named(tmp_path: Path) -> None:
    done = run("status", "--root", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stderr == f"error: there is no cluster at {tmp_path / 'none'}; make one with `wherry up`\n"


@pytest.mark.parametrize("command", ["upgrade", "status"])
def test_state_of_a_later_format_is_refused_in_a_sentence(tmp_path: Path, command: str) -> None:
    (tmp_path / "cluster.json").write_text('{"format": 2, "version": "9.8.0", "shape": "round"}')
    done = run(command, "--root", str(tmp_path))
    assert done.returncode == 2
    assert "has format 2, and wherry" in done.stderr
    assert "knows formats up to 1; use wherry 9.8.0, or restore a backup\n" in done.stderr
    assert done.stderr.count("\n") == 1


def test_wrong_usage_exits_with_2() -> None:
    done = run("up", "--nodes", "many")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "'many' is not a valid integer" in done.stderr


def test_version_for_programs() -> None:
    done = run("version", "-o", "json")
    assert done.returncode == 0
    assert {"wherry", "kubernetes", "kubectl", "python"} <= json.loads(done.stdout).keys()


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Failed("the disk is full", "free some space"), 1, "the disk is full; free some space"),
        (Failed("wrong", code=2), 2, "wrong"),
        (ConfigError("bad; do this"), 2, "bad; do this"),
        (ApiUnreachable("https://x does not answer"), 1, "start it with `wherry up`"),
        (PermissionError(13, "Permission denied", "/x"), 1, "Permission denied: /x; run it with sudo"),
        (KeyError("x"), 1, "this is a bug in wherry"),
    ],
)
def test_errors_are_one_sentence(error: Exception, code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(error) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert text in said
    assert said.count("\n") == 1


def test_the_command_line_loads_little() -> None:
    code = (
        "import sys, wherry.cli.main as m; m.wherry.get_command(None, 'version');"
        "print([n for n in ('aiohttp', 'numpy', 'grpc', 'uvloop', 'rich', 'yaml') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
