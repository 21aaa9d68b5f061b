"""The command line: each command is a thin shell over one public function.

Heavy libraries are imported inside the commands, so that `--help` and a misspelt command answer at once.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from crtcore.errors import CrtError, SweepError
from search.cli_results import Json, Storage, SweepName, add_result_commands

if TYPE_CHECKING:
    from rich.console import Console

    from crtcore.config import Experiment
    from search.leaderboard import Leaderboard

BAD_INPUT = 2  # exit status
INTERRUPTED = 130  # what a shell reports for a process ended by Ctrl-C
WIDE = 100  # columns of a terminal from which on there is room for learning curves
UNITS = ("patients", "beats", "images")


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

Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A YAML file, or the bare name of one in configs/.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key; may be repeated.")
]


Address = Annotated[
    str | None, typer.Option(help="A Ray cluster; `auto` is the one this machine belongs to.")
]
ClusterFile = Annotated[
    Path | None, typer.Option("--cluster", metavar="FILE", help="The file that `ray up` was called with.")
]


@app.command(short_help="Recordings to images, once.", epilog="Example: crtsearch prepare demo")
def prepare(config: Config, overrides: Overrides = None, address: Address = None) -> None:
    """Turn the recordings into spectrogram images, once; a sweep does so too if this has not been run."""
    experiment = _load(config, overrides)
    from crtcore.pipeline import open_store, plan, read_sources
    from crtcore.pipeline import prepare as prepare_sets
    from search.live import LiveView
    from search.preparation import RayJobs

    store, sources = open_store(experiment), read_sources(experiment)
    with LiveView(_stderr()) as view, RayJobs(address, experiment.storage) as map_jobs:
        prepare_sets(store, experiment, sources, map_jobs=map_jobs, on_progress=view.on_progress)
    stages = plan(experiment, sources)
    for name, stage in (("arrhythmia", stages.arrhythmia), ("cohort", stages.cohort)):
        manifest = store.find(stage)
        assert manifest is not None
        counts = ", ".join(f"{manifest.facts[f'num_{unit}']:,} {unit}" for unit in UNITS)
        typer.echo(f"{name}: {counts} in {experiment.storage}")


@app.command(
    short_help="Run the search, or go on with it.",
    epilog="Example: crtsearch sweep demo --set search.trials=8 --name first",
)
def sweep(
    config: Config,
    overrides: Overrides = None,
    name: Annotated[str | None, typer.Option(help="The sweep's name, if not the config's.")] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="OTHER", help="A sweep whose best point is tried first.")
    ] = None,
    address: Address = None,
    cluster: ClusterFile = None,
    as_json: Json = False,
) -> None:
    """Run the search; the same command again resumes it, and reads what is finished."""
    if cluster is not None:
        if address is not None:
            raise SweepError("give --address or --cluster, not both")
        from search.remote.job import sweep_on_cluster

        try:
            sweep_on_cluster(
                cluster,
                config,
                overrides or (),
                name=name,
                warm_start=warm_start,
                as_json=as_json,
                on_log=lambda text: typer.echo(text, nl=False),
                tell=lambda sentence: typer.echo(sentence, err=True),
            )
        except KeyboardInterrupt:
            typer.echo("crtsearch: the sweep goes on; the same command comes back to it", err=True)
            raise typer.Exit(INTERRUPTED) from None
        return
    experiment = _load(config, overrides, name)
    from search.live import LiveView
    from search.outcome import sweep_outcome
    from search.sweep import run_sweep

    space = list(experiment.search.space)
    try:
        with LiveView(_stderr(), parameters=space, num_trials=experiment.search.trials) as view:
            leaderboard = run_sweep(
                experiment,
                address=address,
                warm_start=warm_start,
                on_update=view.on_update,
                on_progress=view.on_progress,
            )
    except KeyboardInterrupt:
        typer.echo(f"crtsearch: {experiment.name} interrupted; the same command again resumes it", err=True)
        raise typer.Exit(INTERRUPTED) from None
    for sentence in sweep_outcome(experiment.storage, experiment.name).sentences():
        typer.echo(sentence, err=True)
    _show(leaderboard, as_json=as_json)


@app.command(short_help="Rank the trials of a sweep.", epilog="Example: crtsearch best demo --json")
def best(name: SweepName, storage: Storage = "storage", as_json: Json = False) -> None:
    """Rank a sweep's trials, with the winner's score corrected for the search."""
    from search.leaderboard import build_leaderboard

    _show(build_leaderboard(storage, name), as_json=as_json)


add_result_commands(app)


@app.command(
    short_help="Watch a sweep in the browser.", epilog="Example: crtsearch dashboard demo --port 8080"
)
def dashboard(
    name: SweepName,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0: any free one.")] = 8080,
    storage: Storage = "storage",
    cluster: ClusterFile = None,
) -> None:
    """Serve Optuna's dashboard on a sweep until Ctrl-C; with --cluster Ray's too."""
    if cluster is not None:
        from search.remote.dashboard import forward_dashboards

        try:
            forward_dashboards(
                cluster,
                name,
                port=port,
                on_ready=lambda ray, optuna: typer.echo(f"Ray: {ray}\n{name}: {optuna} (Ctrl-C ends both)"),
            )
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        return
    from search.dashboard import serve_dashboard

    try:
        serve_dashboard(
            storage, name, port=port, on_ready=lambda url: typer.echo(f"{name}: {url} (Ctrl-C ends it)")
        )
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@app.command(
    short_help="What would run, without running it.",
    epilog="Example: crtsearch check demo --set search.trials=8",
)
def check(
    config: Config, overrides: Overrides = None, address: Address = None, as_json: Json = False
) -> None:
    """Validate config, database and cohort; say what would run, what is built and what is left."""
    experiment = _load(config, overrides)
    from search.check import check as check_experiment
    from search.live import LiveView

    nodes = None
    if address is not None:
        from search.cluster import connected, node_resources

        with connected(address):
            nodes = node_resources()
    with LiveView(_stderr()) as view:
        result = check_experiment(experiment, nodes=nodes, on_progress=view.on_progress)
    typer.echo(result.to_json() if as_json else "\n".join(result.sentences()))


@app.command(short_help="What no sweep refers to.", epilog="Example: crtsearch gc --storage storage --remove")
def gc(
    storage: Storage = "storage",
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is listed.")] = False,
    as_json: Json = False,
) -> None:
    """List what lies in a storage that no sweep refers to, a day old or older; remove it only if told to."""
    from search.housekeeping import housekeep

    result = housekeep(storage, remove=remove)
    if as_json:
        typer.echo(result.to_json())
        return
    for leftover in result.leftovers:
        typer.echo(f"{leftover.kind}: {leftover.path}, {leftover.num_bytes:,} bytes")
    for sentence in result.sentences():
        typer.echo(sentence)


@app.command(
    short_help="Simulated recordings to try everything on.",
    epilog="Example: crtsearch simulate data/simulated --seed 1",
)
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the recordings.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other patients.")] = 0,
) -> None:
    """Write a simulated arrhythmia database and CRT cohort with a known truth, to try everything on."""
    from crtcore.data.simulate import simulate as write_simulation
    from search.live import LiveView

    with LiveView(_stderr()) as view:
        write_simulation(folder, seed=seed, on_progress=view.on_progress)
    typer.echo(f"simulated recordings in {folder}")


def _load(config: str, overrides: list[str] | None, name: str | None = None) -> "Experiment":
    """Before any heavy import: a misspelt key is told at once."""
    from crtcore.configfile import load_experiment

    named = [] if name is None else [f"name={json.dumps(name)}"]  # quoted: a sweep may be called 17
    return load_experiment(config, [*(overrides or ()), *named])


def _stderr() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def _show(leaderboard: "Leaderboard", *, as_json: bool) -> None:
    if as_json:
        typer.echo(leaderboard.to_json())
        return
    from rich.console import Console

    from search.tables import baselines_table, leaderboard_table

    console = Console()
    console.print(leaderboard_table(leaderboard, with_curves=console.width >= WIDE))
    if leaderboard.baselines is not None:
        if leaderboard.baselines.comparisons:
            console.print(baselines_table(leaderboard.baselines))
        for remark in leaderboard.baselines.remarks:
            console.print(remark, markup=False, highlight=False)
    for sentence in leaderboard.sentences():
        console.print(sentence, markup=False, highlight=False)


def main() -> None:
    """The console script."""
    app()
