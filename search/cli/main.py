"""The command line: registers the commands. Each is a thin shell over one public function."""

from collections.abc import Callable
from typing import Final

from search.cli import result_commands, sweep_commands
from search.cli.app import app, stop_on_signals

__all__ = ["COMMANDS", "app", "main"]

# In the order of `--help`: the command, one line about it, and an example.
COMMANDS: Final[tuple[tuple[Callable[..., None], str, str], ...]] = (
    (sweep_commands.prepare, "Recordings to images, once.", "prepare demo"),
    (
        sweep_commands.sweep,
        "Run the search, or go on with it.",
        "sweep demo --set search.trials=8 --name first",
    ),
    (result_commands.best, "Rank the trials of a sweep.", "best demo --json"),
    (result_commands.report, "One page on what the winner is worth.", "report demo"),
    (result_commands.nested, "The search once more inside each fold.", "nested demo --json"),
    (result_commands.export, "The winner, refitted on all, as a bundle.", "export demo -o demo_bundle"),
    (
        result_commands.predict,
        "Probabilities for new recordings.",
        "predict demo_bundle data/simulated/cohort/records/sim001",
    ),
    (result_commands.dashboard, "Watch a sweep in the browser.", "dashboard demo --port 8080"),
    (sweep_commands.check, "What would run, without running it.", "check demo --set search.trials=8"),
    (sweep_commands.gc, "What no sweep refers to.", "gc --storage storage --remove"),
    (
        sweep_commands.simulate,
        "Simulated recordings to try everything on.",
        "simulate data/simulated --seed 1",
    ),
)

for command, short_help, example in COMMANDS:
    app.command(short_help=short_help, epilog=f"Example: crtsearch {example}")(command)


def main() -> None:
    """The console script."""
    stop_on_signals()
    app()
