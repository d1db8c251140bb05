"""The command line. Puts the commands together and turns every error into a sentence and an exit status.

    0 ok · 1 error · 2 usage · 3 not found · 4 refused, nothing changed · 5 migration failed, runs on source ·
    6 cancelled, runs on source · 7 did not converge, runs on source · 8 lost or unknown ·
    69 controller unreachable · 130 interrupted

The table behind these numbers is errors.OUTCOMES. Starting must be fast: gRPC, protobuf and YAML are imported by the
commands that need them, numba by none.
"""

import os
import sys
from collections.abc import Sequence

import typer

from controller.cli import boot, console, create, demo, down, image, look, migrate, nodes, status, top, up, vm
from controller.cli.options import Controller, Storage
from controller.cli.output import message
from controller.errors import EXIT_INTERRUPTED, EXIT_OK, ControllerError, Usage, outcome_of

OF_THIS_MACHINE = ("up", "down", "demo", "boot")

app = typer.Typer(
    name="limosa",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Limosa: run virtual machines on several nodes, move them live, and see what it cost.",
    epilog="Begin with `limosa demo`, or `limosa up --nodes 2` and `limosa create web --start`.",
)
for part in (up, down, status, top, demo, nodes, look, create, vm, console, migrate, image, boot):
    part.register(app)


@app.callback()
def everywhere(context: typer.Context, controller: Controller = None, storage: Storage = None) -> None:
    """What every command may be told before its name; options.py hands it on to those that ask."""
    if context.invoked_subcommand in OF_THIS_MACHINE and (controller or storage):
        raise Usage(
            f"`limosa {context.invoked_subcommand}` works on this machine only; leave --controller and --storage out"
        )


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command (default: the one in sys.argv); the exit status."""
    try:
        app(args=arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_OK
    except ControllerError as error:
        message(f"limosa: {error}")
        return outcome_of(error).exit_status
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run())
