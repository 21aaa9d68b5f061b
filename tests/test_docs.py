"""The documentation: it builds, the reference is that of the code, the notebook runs."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import nbclient
import nbformat
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert len(pages) >= 8
    assert (tmp_path / "site" / "notebooks" / "first_hour.ipynb").is_file()
    for page in tmp_path.rglob("*.html"):
        text = page.read_text()
        assert "fonts.googleapis" not in text, page


def test_the_configuration_page_is_that_of_the_models() -> None:
    path = DOCS / "generate_config_reference.py"
    spec = importlib.util.spec_from_file_location("generate_config_reference", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.reference(), (
        "run: python docs/generate_config_reference.py"
    )


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_the_notebook_runs_and_ends_with_learning_curves() -> None:
    notebook = nbformat.read(DOCS / "notebooks" / "first_hour.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells)  # kept without results
    nbclient.NotebookClient(
        notebook, timeout=200, resources={"metadata": {"path": str(REPOSITORY)}}
    ).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "Corrected for the search: AUC" in printed
    assert "image/svg+xml" in notebook.cells[-3].outputs[-1].data
    assert notebook.cells[-1].outputs[-1].data["text/plain"].startswith("{0: {1: 0.")


def test_the_citation_names_this_version_and_licence() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
