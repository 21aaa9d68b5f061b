"""The commands on a sweep that has run, and on its model: best, dashboard, report, nested, export, predict,
validate.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from search.cli.app import BAD_INPUT, when_interrupted
from search.cli.options import Address, ClusterFile, Json, Storage, SweepName, stderr
from search.cli.tables import print_leaderboard


def best(name: SweepName, storage: Storage = "storage", as_json: Json = False) -> None:
    """Rank the trials. Two AUCs are printed for the winner: what it scored in the search, and what to expect
    on new patients of the same source. Quote the second.
    """
    from search.results.leaderboard import build_leaderboard

    print_leaderboard(build_leaderboard(storage, name), as_json=as_json)


def dashboard(
    name: SweepName,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="Port on 127.0.0.1; 0: any free one.")
    ] = 8080,
    storage: Storage = "storage",
    cluster: ClusterFile = None,
) -> None:
    """Serve Optuna's dashboard until Ctrl-C, also while the sweep runs. With --cluster, show the dashboards
    of Ray and Optuna on that cluster.
    """
    if cluster is not None:
        from search.cluster.remote.dashboards import forward_dashboards

        with when_interrupted("both dashboards ended"):
            forward_dashboards(
                cluster,
                name,
                port=port,
                on_ready=lambda ray, optuna: typer.echo(f"Ray: {ray}\n{name}: {optuna} (Ctrl-C ends both)"),
            )
    else:
        from search.dashboard.server import serve_dashboard

        with when_interrupted("dashboard ended"):
            serve_dashboard(
                storage, name, port=port, on_ready=lambda url: typer.echo(f"{name}: {url} (Ctrl-C ends it)")
            )


def report(name: SweepName, storage: Storage = "storage") -> None:
    """Compare the winner with simple rules and models, and write an HTML page, results.json and CSV tables
    into the sweep's folder.
    """
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
    """Nested cross-validation: run the whole search again inside each fold and score patients that it never
    saw. The strictest estimate, at the price of one sweep per fold.
    """
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
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a setting of the section export. Repeat for more."
        ),
    ] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write model.onnx too. Needs the extra `onnx`.")
    ] = False,
) -> None:
    """Train the winner and save it as a folder that `predict` and `validate` read, with a model card. It
    holds safetensors and JSON, no pickle.
    """
    from search.cli.live import LiveView
    from search.results.bundle import export_bundle

    with LiveView(stderr()) as view:
        sentences = export_bundle(
            storage, name, output, settings=overrides or (), onnx=onnx, on_progress=view.on_progress
        )
    for sentence in sentences:
        typer.echo(sentence)


def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `export` wrote.")],
    recordings: Annotated[
        list[Path], typer.Argument(metavar="RECORD...", help="WFDB, CSV, Parquet, NumPy, EDF or DICOM files.")
    ],
    as_json: Json = False,
) -> None:
    """Print the probability of the outcome for each recording, as CSV. A recording of poor quality is
    refused.
    """
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


def validate(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `export` wrote.")],
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST", help="CSV or Parquet of other patients: patient_id, recording, label."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Default: BUNDLE_on_MANIFEST in this folder.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a saved model on patients of another hospital, at its own threshold: AUC, calibration, decision
    curve, simple rules, subgroups, and how these patients differ. Writes an HTML page, JSON and CSV. Refuses
    recordings that trained the model.
    """
    from search.cli.live import LiveView
    from search.report.validation.page import PAGE, default_folder, results_json, write_validation

    folder = output or default_folder(bundle, manifest)
    with LiveView(stderr()) as view:
        content = write_validation(bundle, manifest, folder, on_progress=view.on_progress)
    typer.echo(results_json(content) if as_json else "\n".join([*content.sentences, str(folder / PAGE)]))
    if content.results["caveat"]:
        typer.echo(f"crtsearch: {content.results['caveat']}", err=True)
