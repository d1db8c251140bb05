"""`limosa image list | pull | remove`: the images that VMs boot. Works with a running cluster and without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from controller.cli import storage_access
from controller.cli.options import Controller, Output, Quiet, chosen
from controller.cli.output import Column, Format, emit_list, message
from controller.cli.session import Session
from controller.cli.state import controller_address, state_dir
from controller.cli.units import format_bytes
from controller.errors import ControllerUnreachable

COLUMNS = (
    Column("NAME", "name"),
    Column("BOOT", "boot"),
    Column("SIZE", "size_bytes", format_bytes, right=True),
    Column("MEMORY", "memory_bytes_min", lambda least: f"≥ {format_bytes(least)}" if least else "-", right=True),
    Column("DESCRIPTION", "description"),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The image's name.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The images that VMs boot: list, pull, remove.")


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="image")


@app.command("list")
def list_images(controller: Controller = None, output: Output = Format.TABLE, quiet: Quiet = False) -> None:
    """List the images. The built-in guest is always there and not listed: `limosa create NAME` boots it.

    \b
    limosa image list
    """
    from controller.cli.schema import image_row

    with _cluster(controller) as session:
        rows = [image_row(image) for image in storage_access.images(state_dir(), session)]
    emit_list(rows, COLUMNS, chosen(output, quiet))


@app.command()
def pull(name: Name) -> None:
    """Fetch and build an image into the store of this machine; needs the host's apt, no root.

    \b
    limosa image pull debian-12
    limosa create deb --image debian-12 --start
    """
    for made in storage_access.pull(state_dir(), name, message):
        print(made)


@app.command()
def remove(name: Name, controller: Controller = None) -> None:
    """Remove an image, and the files that no other image uses. VMs that exist keep running.

    \b
    limosa image remove debian-12
    """
    with _cluster(controller) as session:
        storage_access.remove(state_dir(), session, name)
    message(f"image {name} is removed")


@contextmanager
def _cluster(controller: str | None) -> Iterator[Session | None]:
    """A session if a cluster is up (or was named), else None: then the local store is used."""
    try:
        address = controller_address(controller)
    except ControllerUnreachable:
        yield None
        return
    session = Session(address)
    try:
        yield session
    finally:
        session.close()
