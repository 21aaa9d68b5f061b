"""The Typer app, and how the program ends: a user error becomes one sentence, a signal an exit status."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import typer
from typer.core import TyperGroup

from crtcore.errors import CrtError

BAD_INPUT: Final = 2  # exit status
# Sent by Ctrl-C; by `kill` and service managers; by a terminal that is closed.
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Received:
    """The first stop signal. The exception cannot carry it: Ray raises another KeyboardInterrupt instead."""

    number: int = signal.SIGINT


def stop_on_signals() -> None:
    """End on the first stop signal as on Ctrl-C, and ignore further ones: they would interrupt the clean-up.
    A signal that the parent ignores (nohup) stays ignored.
    """
    for number in STOP_SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    _Received.number = number
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def when_interrupted(sentence: str) -> Iterator[None]:
    """After Ctrl-C or a stop signal, print the sentence and end with the status that shells expect."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"crtsearch: {sentence}", err=True)
        raise typer.Exit(128 + _Received.number) from None


class _Commands(TyperGroup):
    """The only place where a user error becomes a sentence. Any other exception keeps its traceback."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Hide the options that every Typer program has, so that the list of commands fits a screen."""
        params: list[Any] = super().get_params(ctx)
        for option in params:
            option.hidden = True
        return params

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            with when_interrupted("interrupted"):
                return super().invoke(ctx)
        except CrtError as error:
            typer.echo(f"crtsearch: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Find the best ECG model for a small cohort, and report how good it really is.\n\n"
    "Try it: crtsearch simulate data/simulated && crtsearch sweep demo && crtsearch report demo "
    "(Tab completion: crtsearch --install-completion)",
)
