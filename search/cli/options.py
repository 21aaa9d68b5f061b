"""Options and arguments that several commands share, and what the commands do with them first."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from crtcore.config import Experiment

Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A YAML file, or the bare name of one in configs/.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key; may be repeated.")
]
SweepName = Annotated[
    str, typer.Argument(metavar="NAME", help="The sweep's name (its config's `name`, or --name).")
]
Storage = Annotated[str, typer.Option(help="The storage that the sweep ran with.")]
Address = Annotated[
    str | None, typer.Option(help="A Ray cluster, `auto` or host:port; this machine if unset.")
]
ClusterFile = Annotated[
    Path | None, typer.Option("--cluster", metavar="FILE", help="The file that `ray up` was called with.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")
]


def load(config: str, overrides: list[str] | None, name: str | None = None) -> "Experiment":
    """The experiment. Called before any heavy import, so that a misspelt key is reported at once."""
    from crtcore.configfile import load_experiment

    named = [] if name is None else [f"name={json.dumps(name)}"]  # quoted: a sweep may be called 17
    return load_experiment(config, [*(overrides or ()), *named])


def stderr() -> "Console":
    """Where progress is shown: stdout is for results."""
    from rich.console import Console

    return Console(stderr=True)
