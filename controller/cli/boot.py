"""`limosa boot`: one VM in the foreground, without a cluster. Hands all arguments to `python -m node.foreground`.

`entry.py` does so by itself when nothing stands before `boot`; here is what the other commands' help says of it.
"""

import typer

from controller.cli.foreground import become


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
    become(context.args)
