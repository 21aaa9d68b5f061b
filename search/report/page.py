"""The report as files: one HTML page, results.json, and the tables as CSV."""

import json
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from crtcore.pipeline import OnProgress
from crtcore.stages.atomic import write_atomically
from search.report.content import Content, gather
from search.report.output import csv_text, data_uri, finite
from search.study.folder import sweep_dir

PAGE = "report.html"
RESULTS = "results.json"


def write_report(
    storage: str, name: str, *, on_progress: OnProgress = lambda what, done, total: None
) -> Path:
    """Write the report of sweep `name` into the sweep's folder. Returns the path of the page.

    Each file appears whole or not at all, the page last. Raises the errors of `find_winner`.
    """
    content = gather(storage, name, on_progress=on_progress)
    folder = sweep_dir(storage, name) / "report"
    folder.mkdir(parents=True, exist_ok=True)
    for key, table in content.tables.items():
        write_atomically(folder / f"{key}.csv", csv_text(table))
    write_atomically(folder / RESULTS, json.dumps(finite(content.results), indent=1, allow_nan=False) + "\n")
    write_atomically(folder / PAGE, render(content))
    return folder / PAGE


def render(content: Content) -> str:
    """The page. It is self-contained: it loads nothing from elsewhere."""
    environment = Environment(
        loader=PackageLoader("search.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(
        content=content,
        source={name: data_uri(figure.svg) for name, figure in content.figures.items()},
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
