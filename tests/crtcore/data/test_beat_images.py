"""R peaks, beats and images of one recording; and how often the R-peak detector runs."""

import numpy as np
import pytest

from crtcore.config import Experiment, SpectrogramConfig
from crtcore.data.beat_images import (
    annotated_rhythm,
    beat_images,
    cut_beats,
    detected_rhythm,
    evenly_spaced,
)
from crtcore.errors import DataError
from crtcore.pipeline import open_store, plan, prepare, read_sources
from crtcore.prediction.predictor import Preparation
from crtcore.signal.beat_selection import Candidates, select_beats
from crtcore.signal.formats import read_any
from crtcore.signal.recording import BeatAnnotation, Beats, IntArray, Recording
from crtcore.signal.spectrogram import spectrogram_images
from crtcore.signal.waveform import as_images, waveforms

SPECTROGRAM = SpectrogramConfig()


class CountedDetections:
    """Counts the runs of the R-peak detector, whoever calls it: each selects its beats once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.num = 0
        monkeypatch.setattr("crtcore.signal.r_peaks.select_beats", self._counted)

    def _counted(self, candidates: Candidates, sampling_rate_hz: float) -> IntArray:
        self.num += 1
        return select_beats(candidates, sampling_rate_hz)


@pytest.fixture
def detections(monkeypatch: pytest.MonkeyPatch) -> CountedDetections:
    return CountedDetections(monkeypatch)


def ecg(
    num_seconds: float = 10.0, *, rate_hz: float = 500.0, leads: tuple[str, ...] = ("V1", "II")
) -> Recording:
    """R peaks of 1 mV at 0.3 s, 1.1 s, 1.9 s, ... in lead II, noise in the other leads."""
    time_S = np.arange(round(num_seconds * rate_hz)) / rate_hz
    noise_CS = np.random.default_rng(3).normal(0, 0.02, (len(leads), len(time_S)))
    noise_CS[leads.index("II")] += np.exp(-0.5 * ((time_S % 0.8 - 0.3) / 0.012) ** 2)
    return Recording(
        record_id="r1",
        patient_id="p1",
        leads=leads,
        sampling_rate_hz=rate_hz,
        signal_CS=noise_CS.astype(np.float32),
    )


def test_prepare_detects_r_peaks_once_per_cohort_recording(
    tiny: Experiment, detections: CountedDetections
) -> None:
    sources = read_sources(tiny)
    prepare(open_store(tiny), plan(tiny, sources))
    assert detections.num == len(sources.cohort) == 12


def test_a_prediction_detects_r_peaks_once(tiny: Experiment, detections: CountedDetections) -> None:
    preparation = Preparation(spectrogram=SPECTROGRAM, leads=("II", "V1"), max_beats=None)
    inputs = preparation.inputs(read_any(read_sources(tiny).cohort[0].path))
    assert len(inputs) > 3
    assert detections.num == 1


def test_r_peaks_are_those_of_lead_ii_at_360_hz() -> None:
    rhythm = detected_rhythm(ecg())
    assert rhythm.recording.sampling_rate_hz == 360
    assert rhythm.recording.signal_CS.shape == (2, 3600)
    expected_s = np.arange(0.3, 10, 0.8)
    assert rhythm.r_sample_B / 360 == pytest.approx(expected_s, abs=0.006)
    assert rhythm.symbol_B.tolist() == [""] * len(expected_s)


def test_detections_get_the_symbols_of_the_beats_that_they_match() -> None:
    raw = ecg()
    annotation = BeatAnnotation(sample_B=np.array([160, 550]), symbol_B=np.array(["V", "N"]))
    labelled = Recording(**{**vars(raw), "annotation": annotation})
    rhythm = detected_rhythm(labelled)
    assert rhythm.symbol_B.tolist()[:3] == ["V", "N", ""]
    beats = cut_beats(rhythm, SPECTROGRAM, labelled_only=True, max_beats=None)
    assert beats.symbol_B.tolist() == ["N"]  # the segment of the first beat starts before the recording
    taken = annotated_rhythm(labelled)
    assert taken.r_sample_B.tolist() == [115, 396]  # 160 and 550 of 500 Hz
    assert taken.symbol_B.tolist() == ["V", "N"]


def test_a_sampling_rate_below_that_of_the_detector_is_refused() -> None:
    with pytest.raises(DataError, match=r"recording r1 has 40 samples per second, .* 50 Hz or more"):
        detected_rhythm(ecg(rate_hz=40.0))


def test_beats_without_any_r_peak() -> None:
    silent = Recording(**{**vars(ecg()), "signal_CS": np.zeros((2, 5000), np.float32)})
    assert len(cut_beats(detected_rhythm(silent), SPECTROGRAM, max_beats=None)) == 0


def test_each_beat_has_an_image_in_each_lead() -> None:
    rhythm = detected_rhythm(ecg())
    beats = cut_beats(rhythm, SPECTROGRAM, max_beats=4)
    image_BCFT = beat_images(rhythm.recording, beats, SPECTROGRAM, waveform=False)
    waveform_BCFT = beat_images(rhythm.recording, beats, SPECTROGRAM, waveform=True)
    assert image_BCFT.shape == waveform_BCFT.shape == (4, 2, 64, 64)
    assert image_BCFT.dtype == waveform_BCFT.dtype == np.uint8
    for lead, signal_S in enumerate(rhythm.recording.signal_CS):
        assert np.array_equal(image_BCFT[:, lead], spectrogram_images(signal_S, beats, SPECTROGRAM))
        assert np.array_equal(waveform_BCFT[:, lead], as_images(waveforms(signal_S, beats)))


def test_evenly_spaced_keeps_first_and_last() -> None:
    ones_B = np.ones(10, np.float32)
    index_B = np.arange(10, dtype=np.int64)
    beats = Beats(
        r_sample_B=index_B,
        start_B=index_B,
        stop_B=index_B,
        rr_previous_s_B=ones_B,
        rr_next_s_B=ones_B,
        rr_ratio_B=ones_B,
        symbol_B=np.array(["N"] * 10),
    )
    assert evenly_spaced(beats, 4).r_sample_B.tolist() == [0, 3, 6, 9]
    assert evenly_spaced(beats, None) is beats
