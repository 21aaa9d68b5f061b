import hashlib
from pathlib import Path

import pytest

from crtcore.errors import ConfigError, DataError
from crtcore.simulation.write import simulate


def small(folder: Path, *, seed: int = 0) -> None:
    simulate(folder, seed=seed, num_records=2, minutes=0.5, num_patients=10)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    small(tmp_path / "first")
    small(tmp_path / "second")
    small(tmp_path / "other", seed=1)
    first, other = digests(tmp_path / "first"), digests(tmp_path / "other")
    assert first == digests(tmp_path / "second")
    assert first.keys() == other.keys()
    assert {"mitdb/RECORDS", "cohort/cohort.csv", "cohort/truth.json"} <= first.keys()
    signals = [name for name in first if name.endswith(".dat")]
    assert len(signals) == 12
    assert all(first[name] != other[name] for name in signals)


def test_a_finished_simulation_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "simulation"
    small(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    small(folder)
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_simulation_with_other_settings_is_refused(tmp_path: Path) -> None:
    small(tmp_path / "simulation")
    with pytest.raises(DataError, match=r"other settings .*an empty or a new folder"):
        small(tmp_path / "simulation", seed=1)


def test_a_folder_with_other_content_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds no simulation: give an empty or a new folder"):
        small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    small(tmp_path / "empty")
    assert (tmp_path / "empty" / "simulation.json").is_file()


def test_an_interrupted_simulation_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if what == "simulate patients" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "simulation", num_records=1, minutes=0.5, num_patients=10, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_record_and_patient(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    simulate(
        tmp_path / "simulation",
        num_records=2,
        minutes=0.5,
        num_patients=10,
        on_progress=lambda what, done, total: heard.append((what, done, total)),
    )
    records = [("simulate records", done, 2) for done in (1, 2)]
    patients = [("simulate patients", done, 10) for done in range(1, 11)]
    assert heard == records + patients


@pytest.mark.parametrize(
    ("num_records", "minutes", "num_patients"),
    [(0, 1.0, 20), (1, 0.1, 20), (1, 1.0, 3), (1, float("nan"), 20)],
)
def test_sizes_that_make_no_sense_are_refused(
    tmp_path: Path, num_records: int, minutes: float, num_patients: int
) -> None:
    with pytest.raises(ConfigError, match="ask for"):
        simulate(tmp_path / "simulation", num_records=num_records, minutes=minutes, num_patients=num_patients)
    assert not (tmp_path / "simulation").exists()
