"""The program `crtsearch`: registers the commands. Each command calls one public function."""

from collections.abc import Callable
from typing import Final

from search.cli import result_commands, sweep_commands
from search.cli.app import app, stop_on_signals

__all__ = ["COMMANDS", "app", "main"]

# In the order of `--help`: the command, one line about it, and an example.
COMMANDS: Final[tuple[tuple[Callable[..., None], str, str], ...]] = (
    (sweep_commands.simulate, "Write simulated recordings to practise on.", "simulate data/simulated"),
    (sweep_commands.config, "Print a shipped config, to change it.", "config demo"),
    (
        sweep_commands.check,
        "Test config and data, and show what would run.",
        "check demo --set search.trials=8",
    ),
    (sweep_commands.prepare, "Turn the recordings into images.", "prepare demo"),
    (sweep_commands.sweep, "Run the search, or resume it.", "sweep demo --set search.trials=8 --name first"),
    (result_commands.best, "Rank the trials of a sweep.", "best demo --json"),
    (result_commands.dashboard, "Watch a sweep in the browser.", "dashboard demo --port 8080"),
    (result_commands.report, "Write one HTML page: how good is the winner?", "report demo"),
    (result_commands.nested, "Repeat the search inside each fold.", "nested demo --json"),
    (result_commands.export, "Save the winner as a model folder.", "export demo -o demo_bundle"),
    (
        result_commands.predict,
        "Apply a saved model to new recordings.",
        "predict demo_bundle data/simulated/cohort/records/sim001",
    ),
    (
        result_commands.validate,
        "Test a saved model on another hospital's patients.",
        "validate demo_bundle data/elsewhere/cohort/cohort.csv -o elsewhere",
    ),
    (sweep_commands.recover, "Rebuild the damaged study of a sweep.", "recover demo"),
    (sweep_commands.gc, "Find stored files that no sweep uses.", "gc --storage storage --remove"),
)

for command, short_help, example in COMMANDS:
    app.command(short_help=short_help, epilog=f"Example: crtsearch {example}")(command)


def main() -> None:
    """The console script."""
    stop_on_signals()
    app()
