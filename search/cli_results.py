"""The commands on a finished sweep: report, nested, export, predict."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

SweepName = Annotated[
    str, typer.Argument(metavar="NAME", help="The sweep's name (its config's `name`, or --name).")
]
Storage = Annotated[str, typer.Option(help="The storage that the sweep ran with.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")
]
REFUSED = 2  # exit status, as for any bad input


def add_result_commands(app: typer.Typer) -> None:
    """Register the commands, in the order in which `--help` lists them."""
    commands: tuple[tuple[Callable[..., None], str, str], ...] = (
        (report, "One page on what the winner is worth.", "report demo"),
        (nested, "The search once more inside each fold.", "nested demo --json"),
        (export, "The winner, refitted on all, as a bundle.", "export demo -o demo_bundle"),
        (
            predict,
            "Probabilities for new recordings.",
            "predict demo_bundle data/simulated/cohort/records/sim001",
        ),
    )
    for command, short_help, example in commands:
        app.command(short_help=short_help, epilog=f"Example: crtsearch {example}")(command)


def report(name: SweepName, storage: Storage = "storage") -> None:
    """Write what a sweep's winner is really worth as one HTML page, with results.json and CSV tables."""
    from rich.console import Console

    from search.live import LiveView
    from search.report.page import write_report

    with LiveView(Console(stderr=True)) as view:
        page = write_report(storage, name, on_progress=view.on_progress)
    typer.echo(str(page))


def nested(
    name: SweepName,
    storage: Storage = "storage",
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster, `auto` or host:port; this machine if unset.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the search again in each fold, without the patients scored: a sweep a fold, pre-training shared."""
    import functools

    from rich.console import Console

    from search.live import LiveView
    from search.nested import run_nested
    from search.stored_config import stored_experiment
    from search.sweep import run_sweep

    with LiveView(Console(stderr=True)) as view:
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
    from rich.console import Console

    from search.bundle import export_bundle
    from search.live import LiveView

    with LiveView(Console(stderr=True)) as view:
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

    from search.bundle import bundle_caveat
    from search.bundle import predict as predict_recordings

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
        raise typer.Exit(REFUSED)
