"""The commands on a sweep that has run: best, report, nested, export, predict, dashboard."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.app import BAD_INPUT, when_interrupted
from search.cli.options import Address, ClusterFile, Json, Storage, SweepName, stderr

if TYPE_CHECKING:
    from search.results.leaderboard import Leaderboard

WIDE = 100  # columns of a terminal from which on there is room for learning curves


def best(name: SweepName, storage: Storage = "storage", as_json: Json = False) -> None:
    """Rank a sweep's trials, with the winner's score corrected for the search."""
    from search.results.leaderboard import build_leaderboard

    show(build_leaderboard(storage, name), as_json=as_json)


def report(name: SweepName, storage: Storage = "storage") -> None:
    """Write what a sweep's winner is really worth as one HTML page, with results.json and CSV tables."""
    from search.cli.live import LiveView
    from search.report.page import write_report

    with LiveView(stderr()) as view:
        page = write_report(storage, name, on_progress=view.on_progress)
    typer.echo(str(page))


def nested(
    name: SweepName,
    storage: Storage = "storage",
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Run the search again in each fold, without the patients scored: a sweep a fold, pre-training shared."""
    import functools

    from search.cli.live import LiveView
    from search.study.config import stored_experiment
    from search.sweep.nested import run_nested
    from search.sweep.run import run_sweep

    with LiveView(stderr()) as view:
        estimate = run_nested(
            stored_experiment(storage, name),
            search=functools.partial(run_sweep, address=address),
            on_progress=view.on_progress,
        )
    typer.echo(estimate.to_json() if as_json else "\n".join(estimate.sentences()))


def export(
    name: SweepName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A new folder.")],
    storage: Storage = "storage",
    onnx: Annotated[bool, typer.Option("--onnx", help="Write model.onnx too (extra `onnx`).")] = False,
) -> None:
    """Refit a sweep's winner on all patients and write it as a bundle: safetensors and JSON."""
    from search.cli.live import LiveView
    from search.results.bundle import export_bundle

    with LiveView(stderr()) as view:
        said = export_bundle(storage, name, output, onnx=onnx, on_progress=view.on_progress)
    for sentence in said:
        typer.echo(sentence)


def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `export` wrote.")],
    recordings: Annotated[
        list[Path], typer.Argument(metavar="RECORD...", help="WFDB, CSV, Parquet, NumPy, EDF or DICOM files.")
    ],
    as_json: Json = False,
) -> None:
    """Print each recording's probability of the outcome as CSV; refuse recordings of poor quality."""
    import csv
    import sys
    from dataclasses import asdict

    from search.results.bundle import bundle_caveat
    from search.results.bundle import predict as predict_recordings

    predictions = predict_recordings(bundle, recordings)
    caveat = bundle_caveat(bundle)
    rows = [asdict(prediction) for prediction in predictions]
    refused = [prediction.refused for prediction in predictions if prediction.refused is not None]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, allow_nan=False))
    elif len(refused) < len(rows):
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if caveat:
        typer.echo(f"crtsearch: the model's data: {caveat}", err=True)
    for sentence in refused:
        typer.echo(f"crtsearch: {sentence}", err=True)
    if refused:
        raise typer.Exit(BAD_INPUT)


def dashboard(
    name: SweepName,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0: any free one.")] = 8080,
    storage: Storage = "storage",
    cluster: ClusterFile = None,
) -> None:
    """Serve Optuna's dashboard on a sweep until Ctrl-C; with --cluster Ray's too."""
    if cluster is not None:
        from search.cluster.remote.dashboards import forward_dashboards

        with when_interrupted("both dashboards ended"):
            forward_dashboards(
                cluster,
                name,
                port=port,
                on_ready=lambda ray, optuna: typer.echo(f"Ray: {ray}\n{name}: {optuna} (Ctrl-C ends both)"),
            )
        return
    from search.dashboard.server import serve_dashboard

    with when_interrupted("dashboard ended"):
        serve_dashboard(
            storage, name, port=port, on_ready=lambda url: typer.echo(f"{name}: {url} (Ctrl-C ends it)")
        )


def show(leaderboard: "Leaderboard", *, as_json: bool) -> None:
    """Print a leaderboard: tables and sentences, or JSON."""
    if as_json:
        typer.echo(leaderboard.to_json())
        return
    from rich.console import Console

    from search.cli.tables import leaderboard_table, rules_table

    console = Console()
    console.print(leaderboard_table(leaderboard, with_curves=console.width >= WIDE))
    if leaderboard.rules is not None:
        if leaderboard.rules.comparisons:
            console.print(rules_table(leaderboard.rules))
        for remark in leaderboard.rules.remarks:
            console.print(remark, markup=False, highlight=False)
    for sentence in leaderboard.sentences():
        console.print(sentence, markup=False, highlight=False)
