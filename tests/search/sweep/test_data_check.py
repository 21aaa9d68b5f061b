"""Every recording is read once, and what that shows."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import DataError
from crtcore.pipeline import read_sources
from crtcore.signal.wfdb_reader import read_recording
from search.sweep.data_check import read_cohort, read_database

Progress = tuple[str, int, int]


def test_beats_are_counted_by_class_as_they_are_annotated(tiny: Experiment) -> None:
    sources = read_sources(tiny)
    seen: list[Progress] = []
    num_beats = read_database(sources, lambda *progress: seen.append(progress))
    assert list(num_beats) == ["N", "S", "V", "F", "Q"]
    symbols: list[str] = []
    for source in sources.arrhythmia:
        annotation = read_recording(source.path, annotated=True).annotation
        assert annotation is not None
        symbols += annotation.symbol_B.tolist()
    assert num_beats["V"] == symbols.count("V") + symbols.count("E")
    assert num_beats["F"] == symbols.count("F")
    assert seen == [("read database", done, 4) for done in range(5)]


def test_a_flat_lead_is_flagged_only_where_it_is_used(tiny: Experiment, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    cohort = data / "cohort"
    recording = read_recording(cohort / "records" / "sim001")
    signal_CS = recording.signal_CS.copy()
    signal_CS[recording.leads.index("V6")] = 0.0
    np.save(cohort / "flat.npy", signal_CS)
    side = {"sampling_rate_hz": recording.sampling_rate_hz, "unit": "mV", "leads": recording.leads}
    (cohort / "flat.json").write_text(json.dumps(side))
    manifest = cohort / "cohort.csv"
    manifest.write_text(manifest.read_text().replace("records/sim001", "flat.npy"))

    def flags_of(*leads: str) -> Mapping[str, tuple[str, ...]]:
        sources = read_sources(override(tiny, {"data": data, "cohort.leads": leads}))
        seen: list[Progress] = []
        check = read_cohort(sources, lambda *progress: seen.append(progress))
        assert seen == [("read cohort", done, 12) for done in range(13)]
        assert check.durations_s == pytest.approx([10.0] * 12)
        # Where the flat lead is used, its amplitude of 0 mV is a finding too.
        assert [found.split(":")[0] for found in check.findings] == ["Implausible amplitude"] * len(
            check.flags
        )
        return check.flags

    assert flags_of("II", "V1") == {}
    assert flags_of("II", "V6") == {"flat.npy": ("flat",)}


def test_a_recording_without_a_lead_is_an_error_that_names_it(tiny: Experiment) -> None:
    sources = read_sources(override(tiny, {"cohort.leads": ("II", "V9")}))
    with pytest.raises(DataError, match=r"sim001 has no lead V9"):
        read_cohort(sources, lambda what, done, total: None)
