"""The commands that prepare, run and clean up sweeps.

Heavy libraries are imported inside the commands, so that `--help` and a misspelt command answer at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from crtcore.errors import SweepError
from search.cli.app import when_interrupted
from search.cli.options import Address, ClusterFile, Config, Json, Overrides, Storage, load, stderr
from search.cli.result_commands import show

UNITS = ("patients", "beats", "images")


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the recordings.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other patients.")] = 0,
) -> None:
    """Write a simulated arrhythmia database and CRT cohort with a known truth, to try everything on."""
    from crtcore.simulation.write import simulate as write_simulation
    from search.cli.live import LiveView

    with LiveView(stderr()) as view:
        write_simulation(folder, seed=seed, on_progress=view.on_progress)
    typer.echo(f"simulated recordings in {folder}")


def check(
    config: Config, overrides: Overrides = None, address: Address = None, as_json: Json = False
) -> None:
    """Validate config, database and cohort; say what would run, what is built and what is left."""
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
    """Turn the recordings into spectrogram images, once; a sweep does so too if this has not been run."""
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
        from search.cluster.remote.job import sweep_on_cluster

        with when_interrupted("the sweep keeps running; the same command follows it again"):
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
        return
    experiment = load(config, overrides, name)
    from search.cli.live import LiveView
    from search.results.outcome import sweep_outcome
    from search.sweep.run import run_sweep

    space = list(experiment.search.space)
    with (
        when_interrupted(f"{experiment.name} interrupted; the same command again resumes it"),
        LiveView(stderr(), parameters=space, num_trials=experiment.search.trials) as view,
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
    show(leaderboard, as_json=as_json)


def gc(
    storage: Storage = "storage",
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is listed.")] = False,
    include_unknown: Annotated[
        bool,
        typer.Option(
            "--include-unknown", help="Remove also what sweeps of other machines and older versions may need."
        ),
    ] = False,
    forget: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="First forget this sweep of another machine (object stores only)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what lies in a storage that no sweep refers to, a day old or older; remove it only if told to."""
    from search.study.housekeeping import forget_sweep, housekeep

    if forget is not None:
        forget_sweep(storage, forget)
    result = housekeep(storage, remove=remove, include_unknown=include_unknown)
    if as_json:
        typer.echo(result.to_json())
        return
    for leftover in result.leftovers:
        typer.echo(f"{leftover.kind}: {leftover.path}, {leftover.num_bytes:,} bytes")
    for sentence in result.sentences():
        typer.echo(sentence)
