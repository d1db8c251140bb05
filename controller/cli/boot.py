"""`limosa boot`: one VM in the foreground, without a cluster. Hands all arguments to `python -m node.foreground`."""

import os
import sys
from pathlib import Path

import typer

import controller


def register(app: typer.Typer) -> None:
    app.command(
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    )(boot)


def boot(context: typer.Context) -> None:
    """Run one VM here in the foreground, without a cluster, its console on this terminal.

    \b
    limosa boot --append 'tick'
    limosa boot --help
    """
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(package_root()), environment.get("PYTHONPATH", "")]))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "node.foreground", *context.args], environment)


def package_root() -> Path:
    """The directory that holds our packages: the checkout, or site-packages."""
    return Path(next(iter(controller.__path__))).resolve().parent
