"""Options that many commands share, written once.

Where to find the cluster may also stand before the command, `limosa --controller HOST:PORT list`: what the command
itself is told counts first, then that, then the environment, then the state directory.
"""

from typing import Annotated

import typer

from controller.cli.output import Format


def _or_before_the_command(context: typer.Context, parameter: typer.CallbackParam, value: str | None) -> str | None:
    """The same option of `limosa` itself stands in where the command was told nothing."""
    given: str | None = value or context.find_root().params.get(parameter.name or "")
    return given


Controller = Annotated[
    str | None,
    typer.Option(
        "--controller",
        metavar="HOST:PORT",
        callback=_or_before_the_command,
        help="The controller (default: $LIMOSA_CONTROLLER, else the cluster that `limosa up` started here).",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="HOST:PORT",
        callback=_or_before_the_command,
        help="The image service, as it is reached from here (default: $LIMOSA_STORAGE, else as the controller says).",
    ),
]
Output = Annotated[Format, typer.Option("-o", "--output", help="How to print: table, json, yaml or name.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print names only, one a line.")]
VmName = Annotated[str, typer.Argument(metavar="VM", help="The VM's name.")]


def chosen(output: Format, quiet: bool) -> Format:
    """`-q` is short for `-o name`."""
    return Format.NAME if quiet else output
