"""A validation as files: one HTML page, results.json, and the tables as CSV."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from crtcore.errors import ConfigError
from crtcore.pipeline import OnProgress
from crtcore.stages.atomic import write_atomically
from search.report.output import csv_text, data_uri, finite
from search.report.validation.content import ValidationContent, validation_content
from search.results.validation import validate

PAGE: Final = "validation.html"
RESULTS: Final = "results.json"


def default_folder(bundle: Path, manifest: Path) -> Path:
    """Where a validation is written if nothing is said: a folder here that names the model and the cohort."""
    return Path(f"{bundle.resolve().name}_on_{manifest.stem}")


def write_validation(
    bundle: Path,
    manifest: Path,
    folder: Path,
    *,
    on_progress: OnProgress = lambda what, done, total: None,
) -> ValidationContent:
    """Validate a model and write page, results and tables into `folder`. An earlier validation in it is
    replaced.

    Each file appears whole or not at all, the page last. ConfigError if the folder holds other files. Raises
    the errors of `validate`.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / PAGE).is_file() or not any(folder.iterdir()))):
        raise ConfigError(
            f"{folder} exists and holds no earlier validation; give another folder with -o, or remove it"
        )
    content = validation_content(validate(bundle, manifest, on_progress=on_progress))
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.csv"):
        stale.unlink()
    for key, table in content.tables.items():
        write_atomically(folder / f"{key}.csv", csv_text(table))
    write_atomically(folder / RESULTS, results_json(content) + "\n")
    write_atomically(folder / PAGE, render(content))
    return content


def results_json(content: ValidationContent) -> str:
    """The results as JSON, null in place of NaN and infinity."""
    return json.dumps(finite(content.results), indent=1, allow_nan=False)


def render(content: ValidationContent) -> str:
    """The page. It is self-contained: it loads nothing from elsewhere."""
    environment = Environment(
        loader=PackageLoader("search.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("validation.html").render(
        content=content,
        source={name: data_uri(figure.svg) for name, figure in content.figures.items()},
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
