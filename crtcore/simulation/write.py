"""A simulated arrhythmia database and CRT cohort, to run everything without patient data."""

import json
from collections.abc import Callable
from pathlib import Path

from crtcore.data.caveat import SIMULATION_FILE
from crtcore.errors import ConfigError, DataError
from crtcore.simulation.cohort import write_cohort
from crtcore.simulation.database import write_database
from crtcore.stages.atomic import atomically

VERSION = 1  # raise it if the same settings give other files


def simulate(
    folder: Path,
    *,
    seed: int = 0,
    num_records: int = 20,
    minutes: float = 5.0,
    num_patients: int = 71,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write `mitdb/` (records with annotated beats) and `cohort/` (patients, manifest, truth) into `folder`.

    The same settings give the same bytes. If the folder already holds this simulation, nothing is written.
    DataError if it holds anything else. `folder` appears whole or not at all.
    `on_progress(what, done, total)` is called after every record and patient.
    """
    settings: dict[str, object] = {
        "simulated": True,
        "version": VERSION,
        "seed": seed,
        "num_records": num_records,
        "minutes": minutes,
        "num_patients": num_patients,
    }
    _check_settings(num_records=num_records, minutes=minutes, num_patients=num_patients)
    if _is_finished(folder, settings):
        return
    report = on_progress or (lambda what, done, total: None)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomically(folder) as draft:
        for part in (draft, draft / "mitdb", draft / "cohort"):
            part.mkdir()
        write_database(
            draft / "mitdb",
            seed=seed,
            num_records=num_records,
            minutes=minutes,
            on_record=lambda done: report("simulate records", done, num_records),
        )
        write_cohort(
            draft / "cohort",
            seed=seed,
            num_patients=num_patients,
            on_patient=lambda done: report("simulate patients", done, num_patients),
        )
        (draft / SIMULATION_FILE).write_text(json.dumps(settings, indent=2) + "\n")


def _check_settings(*, num_records: int, minutes: float, num_patients: int) -> None:
    if num_records < 1:
        raise ConfigError(f"a simulation of {num_records} records is empty: ask for 1 or more")
    if not 0.5 <= minutes <= 60:
        raise ConfigError(f"simulated records of {minutes:g} minutes are not possible: ask for 0.5 to 60")
    if not 10 <= num_patients <= 999:
        raise ConfigError(f"a simulated cohort of {num_patients} patients is not possible: ask for 10 to 999")


def _is_finished(folder: Path, settings: dict[str, object]) -> bool:
    """Whether `folder` holds this simulation; False if it is empty. DataError if it holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    remedy = "give an empty or a new folder, or delete this one"
    marker = folder / SIMULATION_FILE
    if not marker.is_file():
        raise DataError(f"{folder} exists and holds no simulation: {remedy}")
    if marker.read_text() != json.dumps(settings, indent=2) + "\n":
        raise DataError(f"{folder} holds a simulation with other settings (see {marker}): {remedy}")
    return True
