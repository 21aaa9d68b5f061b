"""The package as pip installs it: a wheel in a fresh environment, used in an empty folder."""

import csv
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
COMMAND_TIMEOUT_S = 240.0  # of a busy machine
SMALL = (
    "search.trials=2",
    "search.space={finetune.learning_rate: [0.001, 0.01]}",
    "pretrain.epochs=1",
    "finetune.frozen_groups=5",
    "finetune.epochs=1",
    "finetune.folds=2",
    "arrhythmia.max_beats_per_record=4",
    "cohort.max_beats_per_recording=1",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY))
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a fresh environment, which has the libraries of this one and not this checkout."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    places = {"base": str(folder), "platbase": str(folder)}
    libraries = Path(sysconfig.get_path("purelib", vars=places))
    # A path in a .pth file is not searched for other .pth files, so an editable install here stays unseen.
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-index", str(wheel))
    return folder / "bin" / "crtsearch"


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT_S)
    assert done.returncode == 0, done.stderr


def run(program: Path, folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def test_the_wheel_has_what_users_need_and_the_name_that_is_free(wheel: Path) -> None:
    assert wheel.name.startswith("crtsearch_ecg-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"crtcore/py.typed", "search/py.typed", "search/report/templates/page.html"} <= names
    shipped = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "configs").rglob("*.*")}
    assert {f"crtcore/{path}" for path in shipped} <= names
    assert not {name for name in names if name.startswith(("tests", "benchmarks", "docs"))}


def test_every_file_that_the_checkout_ships_is_printed(program: Path, tmp_path: Path) -> None:
    names = run(program, tmp_path, "config").split()
    assert {"demo", "paper", "cluster", "onprem"} <= set(names)
    for name in names:
        (found,) = [
            *(REPOSITORY / "configs").rglob(f"{name}.yaml"),
            *REPOSITORY.glob(f"{name}.yaml"),
        ]
        assert run(program, tmp_path, "config", name) == found.read_text(encoding="utf-8")


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_the_first_hour_in_an_empty_folder(program: Path, tmp_path: Path) -> None:
    run(program, tmp_path, "simulate", "data/simulated")
    (tmp_path / "mine.yaml").write_text(run(program, tmp_path, "config", "demo"))
    assert yaml.safe_load((tmp_path / "mine.yaml").read_text())["name"] == "demo"
    with (tmp_path / "data" / "simulated" / "cohort" / "cohort.csv").open(newline="") as stream:
        patients = [row["patient_id"] for row in csv.DictReader(stream)][:12]
    small = [word for setting in (*SMALL, f"cohort.patients={patients}") for word in ("--set", setting)]
    assert "2 of 2 trials left to run" in run(program, tmp_path, "check", "mine.yaml", *small)
    run(program, tmp_path, "sweep", "mine.yaml", *small)
    best = json.loads(run(program, tmp_path, "best", "demo", "--json"))
    assert [row["state"] for row in best["rows"]].count("COMPLETE") == 2
    run(program, tmp_path, "report", "demo")
    assert (tmp_path / "storage" / "sweeps" / "demo" / "report" / "report.html").is_file()
    run(program, tmp_path, "export", "demo", "-o", "bundle")
    told = run(program, tmp_path, "predict", "bundle", "data/simulated/cohort/records/sim001")
    assert "sim001" in told
