"""`wherry`: the command line. Each command lives in its own file and is loaded only when it is called.

Every error a user can cause or meet ends as one sentence with cause and remedy on stderr and exit status 1 (or 2 for
wrong usage); a traceback is a bug.
"""

from __future__ import annotations

import importlib
import sys

import click

COMMANDS: tuple[tuple[str, str], ...] = (
    ("up", "wherry.cli.up"),
    ("down", "wherry.cli.down"),
    ("delete", "wherry.cli.delete"),
    ("status", "wherry.cli.status"),
    ("upgrade", "wherry.cli.upgrade"),
    ("doctor", "wherry.cli.doctor"),
    ("bench", "wherry.cli.bench"),
    ("token", "wherry.cli.token"),
    ("join", "wherry.cli.join"),
    ("node", "wherry.cli.node"),
    ("kubectl", "wherry.cli.kubectl"),
    ("image", "wherry.cli.image"),
    ("logs", "wherry.cli.logs"),
    ("audit", "wherry.cli.audit"),
    ("encryption", "wherry.cli.encryption"),
    ("site-ca", "wherry.cli.site_ca"),
    ("version", "wherry.cli.version"),
    ("server", "wherry.cli.server"),
    ("agent", "wherry.cli.agent"),
    ("supervise", "wherry.cli.supervise"),
)
"""(name, module); the module's `command` is the click command."""


class Commands(click.Group):
    """Loads a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of COMMANDS."""
        return [name for name, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None."""
        for name, module in COMMANDS:
            if name == cmd_name:
                command: click.Command = importlib.import_module(module).command
                return command
        return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "WHERRY"})
def wherry() -> None:
    """Kubernetes on this machine, from one package: `wherry up`, then kubectl."""


def main() -> None:
    """Run and exit."""
    try:
        wherry.main(prog_name="wherry", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - the last resort, which prints it
        sys.exit(_fail(error))


def _fail(error: Exception) -> int:
    from wherry.cli.output import explain

    return explain(error)


if __name__ == "__main__":
    main()
