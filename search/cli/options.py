"""Arguments and options that several commands share, and how a command loads its config."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from crtcore.config import Experiment

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or a name in configs/: demo.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting. Repeat for more."),
]
SweepName = Annotated[
    str, typer.Argument(metavar="NAME", help="The sweep: `name` in its config, or what --name said.")
]
Storage = Annotated[str, typer.Option(help="The folder or URI that holds the sweep.")]
Address = Annotated[
    str | None,
    typer.Option(metavar="RAY", help="A running Ray cluster: auto or HOST:PORT."),
]
ClusterFile = Annotated[
    Path | None, typer.Option("--cluster", metavar="FILE", help="The YAML file you gave to `ray up`.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def load(config: str, overrides: list[str] | None, name: str | None = None) -> "Experiment":
    """The experiment of CONFIG, --set and --name. Commands call this before any slow import, so that a
    misspelt key is reported at once.
    """
    from crtcore.configfile import load_experiment

    named = [] if name is None else [f"name={json.dumps(name)}"]  # quoted: a name such as 17 is text
    return load_experiment(config, [*(overrides or ()), *named])


def stderr() -> "Console":
    """The console for progress. Results go to stdout."""
    from rich.console import Console

    return Console(stderr=True)
