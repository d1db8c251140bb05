"""`limosa image list | pull | push | remove`: the images that VMs boot, with a cluster or without one."""

from typing import Annotated

import typer

from controller.cli import storage_access
from controller.cli.options import Controller, Output, Quiet, Storage, chosen
from controller.cli.output import Column, Format, emit_list, message
from controller.cli.state import state_dir
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

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The images that VMs boot: list, pull, push, remove."
)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="image")


@app.command("list")
def list_images(
    controller: Controller = None, storage: Storage = None, output: Output = Format.TABLE, quiet: Quiet = False
) -> None:
    """List the images. The built-in guest is always there and not listed: `limosa create NAME` boots it.

    \b
    limosa image list
    """
    from controller.cli.schema import image_row

    where = storage_access.service(controller, storage)
    rows = [image_row(image) for image in storage_access.images(state_dir(), where)]
    emit_list(rows, COLUMNS, chosen(output, quiet))


@app.command()
def pull(name: Name, controller: Controller = None, storage: Storage = None) -> None:
    """Fetch and build an image on this machine; needs the host's apt, no root. A cluster elsewhere is sent a copy.

    \b
    limosa image pull debian-12
    limosa create deb --image debian-12 --start
    limosa --controller server:7400 image pull debian-12
    """
    state = state_dir()
    where = storage_access.service_elsewhere(state, controller, storage)  # first: a wrong address is to be heard early
    for made in storage_access.pull(state, name, message):
        if where is not None:
            storage_access.push(state, where, made, message)
        print(made)


@app.command()
def push(name: Name, controller: Controller = None, storage: Storage = None) -> None:
    """Copy an image of this machine to the cluster. Files that are there already are compared, not sent again.

    \b
    limosa --controller server:7400 --storage server:7401 image push debian-12
    """
    where = storage_access.service(controller, storage)
    if where is None:
        raise ControllerUnreachable(
            "there is no cluster to push to: name it by --controller or --storage, or start one by `limosa up`"
        )
    state = state_dir()
    if storage_access.serves(state, where):
        message(f"the cluster of this machine serves the images in {state.images}: nothing is to be pushed")
        return
    storage_access.push(state, where, name, message)
    message(f"image {name} is at {where.address}")


@app.command()
def remove(name: Name, controller: Controller = None, storage: Storage = None) -> None:
    """Remove an image, and the files that no other image uses. VMs that exist keep running.

    \b
    limosa image remove debian-12
    """
    storage_access.remove(state_dir(), storage_access.service(controller, storage), name)
    message(f"image {name} is removed")
