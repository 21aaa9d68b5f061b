"""The commands that prepare, run and clean up sweeps.

Slow libraries are imported inside the commands, so that `--help` and a misspelt command answer at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from crtcore.errors import SweepError
from search.cli.app import when_interrupted
from search.cli.options import Address, ClusterFile, Config, Json, Overrides, Storage, SweepName, load, stderr
from search.cli.tables import print_leaderboard

UNITS = ("patients", "beats", "images")


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the recordings.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other patients.")] = 0,
) -> None:
    """Write an arrhythmia database and a CRT cohort, both simulated. The outcome is known, so you can see
    whether a search finds it.
    """
    from crtcore.simulation.write import simulate as write_simulation
    from search.cli.live import LiveView

    with LiveView(stderr()) as view:
        write_simulation(folder, seed=seed, on_progress=view.on_progress)
    typer.echo(f"simulated recordings in {folder}")


def config(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Such as demo. Without it, all names are listed.")
    ] = None,
) -> None:
    """Print a config or cluster file that comes with crtsearch. Save it, change it, and give its path to
    `sweep` or `ray up`.
    """
    from crtcore.configfile import shipped_files
    from crtcore.errors import ConfigError

    files = shipped_files()
    if name is not None and name not in files:
        raise ConfigError(f"no file {name[:80]!r} comes with crtsearch; choose one of {', '.join(files)}")
    typer.echo("\n".join(files) if name is None else files[name].read_text(encoding="utf-8"), nl=name is None)


def check(
    config: Config, overrides: Overrides = None, address: Address = None, as_json: Json = False
) -> None:
    """Read the config and every recording once, and report the first problem. Then show how many trials and
    stages are left, and about how long they take. Nothing is computed or stored.
    """
    experiment = load(config, overrides)
    from search.cli.live import LiveView
    from search.sweep.check import check as check_experiment

    nodes = None
    if address is not None:
        from search.cluster.connection import connected, node_resources

        with connected(address):
            nodes = node_resources()
    with LiveView(stderr()) as view:
        result = check_experiment(experiment, nodes=nodes, on_progress=view.on_progress)
    typer.echo(result.to_json() if as_json else "\n".join(result.sentences()))


def prepare(config: Config, overrides: Overrides = None, address: Address = None) -> None:
    """Turn the recordings into spectrogram images and store them. You need not call this: `sweep` does it
    when images are missing.
    """
    experiment = load(config, overrides)
    from crtcore.pipeline import open_store, plan, read_sources
    from crtcore.pipeline import prepare as prepare_sets
    from search.cli.live import LiveView
    from search.cluster.preparation import RayJobs

    store = open_store(experiment)
    store.probe()
    stages = plan(experiment, read_sources(experiment))
    with LiveView(stderr()) as view, RayJobs(address, experiment.storage) as map_jobs:
        prepare_sets(store, stages, map_jobs=map_jobs, on_progress=view.on_progress)
    for name, stage in (("arrhythmia", stages.arrhythmia), ("cohort", stages.cohort)):
        manifest = store.find(stage)
        assert manifest is not None
        counts = ", ".join(f"{manifest.facts[f'num_{unit}']:,} {unit}" for unit in UNITS)
        typer.echo(f"{name}: {counts} in {experiment.storage}")


def sweep(
    config: Config,
    overrides: Overrides = None,
    name: Annotated[str | None, typer.Option(help="Name of the sweep, if not that of CONFIG.")] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="OTHER", help="Try the best point of this sweep first.")
    ] = None,
    address: Address = None,
    cluster: ClusterFile = None,
    as_json: Json = False,
) -> None:
    """Run the search and print the leaderboard. After an interruption, give the same command again: it
    resumes. A finished sweep just prints its leaderboard.
    """
    if cluster is None:
        _sweep_here(config, overrides, name=name, warm_start=warm_start, address=address, as_json=as_json)
    elif address is None:
        _sweep_there(cluster, config, overrides, name=name, warm_start=warm_start, as_json=as_json)
    else:
        raise SweepError("give --address or --cluster, not both")


def gc(
    storage: Storage = "storage",
    remove: Annotated[bool, typer.Option("--remove", help="Delete the listed files.")] = False,
    include_unknown: Annotated[
        bool,
        typer.Option(
            "--include-unknown",
            help="Delete also what sweeps of other machines or of older versions may need.",
        ),
    ] = False,
    forget: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="First forget this sweep of another machine (object stores only)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List stored files that no sweep refers to and that are at least one day old. They are deleted only with
    --remove.
    """
    from humanize import naturalsize

    from search.study.housekeeping import forget_sweep, housekeep

    if forget is not None:
        forget_sweep(storage, forget)
    result = housekeep(storage, remove=remove, include_unknown=include_unknown)
    if as_json:
        typer.echo(result.to_json())
        return
    for leftover in result.leftovers:
        typer.echo(f"{leftover.kind}: {leftover.path}, {naturalsize(leftover.num_bytes)}")
    for sentence in result.sentences():
        typer.echo(sentence)


def recover(name: SweepName, storage: Storage = "storage") -> None:
    """Replace the damaged study of a sweep by a new one that gets its results from the stage store."""
    from search.sweep.recover import recover as recover_study

    for sentence in recover_study(storage, name).sentences():
        typer.echo(sentence)


def _sweep_here(
    config: str,
    overrides: list[str] | None,
    *,
    name: str | None,
    warm_start: str | None,
    address: str | None,
    as_json: bool,
) -> None:
    experiment = load(config, overrides, name)
    from search.cli.live import LiveView
    from search.results.outcome import sweep_outcome
    from search.sweep.run import run_sweep

    with (
        when_interrupted(f"{experiment.name} was interrupted; the same command resumes it"),
        LiveView(stderr(), parameters=experiment.search.space, num_trials=experiment.search.trials) as view,
    ):
        leaderboard = run_sweep(
            experiment,
            address=address,
            warm_start=warm_start,
            on_update=view.on_update,
            on_progress=view.on_progress,
        )
    for sentence in sweep_outcome(experiment.storage, experiment.name).sentences():
        typer.echo(sentence, err=True)
    print_leaderboard(leaderboard, as_json=as_json)


def _sweep_there(
    cluster: Path,
    config: str,
    overrides: list[str] | None,
    *,
    name: str | None,
    warm_start: str | None,
    as_json: bool,
) -> None:
    from search.cluster.remote.job import sweep_on_cluster

    with when_interrupted("the sweep is still running; the same command follows it again"):
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
