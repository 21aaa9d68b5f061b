"""The rules of docs/structure.md: import directions (contracts in pyproject.toml), file sizes, names."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("crtcore", "search")
MAX_LINES = 300
ROOMS = {"cli", "sweep", "cluster", "scheduling", "dashboard", "report", "results", "study"}
VAGUE_NAMES = {"util", "utils", "common", "manager", "helper", "helpers", "misc"}


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    assert found
    return found


def test_import_contracts_hold() -> None:
    """In a process of its own: import-linter disables the loggers of the process that it runs in."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_is_imported_is_declared() -> None:
    """Each library that the packages import is a dependency in pyproject.toml, or in an extra for users."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = (*project["dependencies"], *extras["formats"], *extras["onnx"])
    declared = {re.split(r"[\[<>=]", requirement)[0] for requirement in requirements}
    distributions = {"sklearn": "scikit-learn", "yaml": "pyyaml", "optuna_dashboard": "optuna-dashboard"}
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)
    imported = {name for name in graph.modules if graph.is_module_squashed(name)} - sys.stdlib_module_names
    assert {"numpy", "torch"} <= imported
    assert {distributions.get(name, name) for name in imported} <= declared


def test_a_file_is_one_idea() -> None:
    num_lines = {
        path: len(path.read_text().splitlines()) for path in sources(*PACKAGES, "tests", "benchmarks")
    }
    assert {str(path): num for path, num in num_lines.items() if num > MAX_LINES} == {}


def test_file_names_say_what_is_inside() -> None:
    vague = [path for path in sources(*PACKAGES) if VAGUE_NAMES & {*path.stem.split("_"), path.parent.name}]
    assert vague == []


def test_tests_mirror_the_sources() -> None:
    """Below tests/crtcore and tests/search a file is test_<source>.py or test_<source>_<aspect>.py."""
    strays = []
    for package in PACKAGES:
        for test in sorted((REPOSITORY / "tests" / package).rglob("test_*.py")):
            folder = REPOSITORY / test.parent.relative_to(REPOSITORY / "tests")
            words = test.stem.split("_")[1:]
            if not any((folder / f"{'_'.join(words[:n])}.py").is_file() for n in range(1, len(words) + 1)):
                strays.append(test)
    assert strays == []


def test_each_source_has_its_test() -> None:
    """tests/a/b/test_c.py, or test_c_<aspect>.py, for a/b/c.py."""
    untested = []
    for source in sources(*PACKAGES):
        place = source.relative_to(REPOSITORY)
        folder = REPOSITORY / "tests" / place.parent
        has_test = (folder / f"test_{source.stem}.py").is_file() or any(
            folder.glob(f"test_{source.stem}_*.py")
        )
        if source.name != "__init__.py" and not has_test:
            untested.append(place)
    assert untested == []


def test_search_has_its_eight_rooms_and_nothing_else() -> None:
    found = {path.name for path in (REPOSITORY / "search").iterdir() if path.name != "__pycache__"}
    assert found == ROOMS | {"__init__.py", "py.typed"}


def test_ray_is_imported_in_search_cluster_alone() -> None:
    """Wherever in a file the import stands."""
    imports_ray = re.compile(r"^\s*(import|from) ray\b|import_module\(.ray\b", flags=re.MULTILINE)
    cluster = REPOSITORY / "search" / "cluster"
    found = [path for path in sources(*PACKAGES) if imports_ray.search(path.read_text(encoding="utf-8"))]
    assert [path for path in found if cluster not in path.parents] == []
    assert found
