"""Options that many commands share, written once."""

from typing import Annotated

import typer

from controller.cli.output import Format

Controller = Annotated[
    str | None,
    typer.Option(
        "--controller",
        metavar="HOST:PORT",
        help="The controller (default: $LIMOSA_CONTROLLER, else the cluster that `limosa up` started here).",
    ),
]
Output = Annotated[Format, typer.Option("-o", "--output", help="How to print: table, json, yaml or name.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print names only, one a line.")]
VmName = Annotated[str, typer.Argument(metavar="VM", help="The VM's name.")]


def chosen(output: Format, quiet: bool) -> Format:
    """`-q` is short for `-o name`."""
    return Format.NAME if quiet else output
