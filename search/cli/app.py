"""The program `crtsearch` without its commands: how a user's error is told, and how the program ends."""

from typing import Any

import typer
from typer.core import TyperGroup

from crtcore.errors import CrtError

BAD_INPUT = 2  # exit status
INTERRUPTED = 130  # what a shell reports for a process ended by Ctrl-C


class _Commands(TyperGroup):
    """The one place where a user's error becomes a sentence; any other exception keeps its traceback."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Hide the options that every Typer program has: the commands and an example fill a screen."""
        params: list[Any] = super().get_params(ctx)
        for option in params:
            option.hidden = True
        return params

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except CrtError as error:
            typer.echo(f"crtsearch: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Search for the best ECG transfer-learning model of a small cohort, and say how good it really is.",
    epilog="Try it: crtsearch simulate data/simulated && crtsearch sweep demo && crtsearch report demo "
    "(completion by Tab: crtsearch --install-completion)",
)
