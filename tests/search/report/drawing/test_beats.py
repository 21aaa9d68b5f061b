"""Figures of beats: which beats are shown, and what is drawn of them."""

import dataclasses

import numpy as np

from crtcore.config import Experiment, SpectrogramConfig
from crtcore.prediction.predictor import BeatInputs
from search.report.drawing.beats import BeatSample, beat_figure, grad_cam_caption, sample_beats
from search.results.winner import find_winner
from tests.search.svg import images, texts

LEADS = ("I", "II", "V1", "V2", "V6")


def sample(num_beats: int = 2) -> BeatSample:
    """Beats of one grey level each: 100 times the beat plus 10 times the lead."""
    level_BC = 100 * np.arange(num_beats)[:, None] + 10 * np.arange(len(LEADS))
    image_BCFT = np.broadcast_to(level_BC[:, :, None, None], (num_beats, len(LEADS), 64, 64))
    return BeatSample(
        inputs=BeatInputs(
            image_BCFT=image_BCFT.astype(np.uint8),
            scalar_BCE=np.zeros((num_beats, len(LEADS), 0), dtype=np.float32),
        ),
        titles=tuple(f"patient {number}" for number in range(num_beats)),
        leads=LEADS,
        spectrogram=SpectrogramConfig(),
    )


def test_one_row_per_beat_and_one_column_for_each_of_the_first_four_leads() -> None:
    svg = beat_figure(sample())
    found = texts(svg)
    assert [text for text in found if text.startswith("lead")] == [f"lead {name}" for name in LEADS[:4]]
    assert {"patient 0", "patient 1", "Hz", "RR intervals from R"} <= set(found)
    shown = images(svg)
    assert len(shown) == 8
    assert len({tuple(np.round(image.mean(axis=(0, 1)), 3)) for image in shown}) == 8  # all levels differ


def test_grad_cam_is_drawn_over_grey_spectrograms() -> None:
    map_BCFT = np.zeros((2, len(LEADS), 64, 64), dtype=np.float32)
    map_BCFT[1, 2] = 1
    plain = images(beat_figure(sample(), np.zeros_like(map_BCFT)))
    shown = images(beat_figure(sample(), map_BCFT))
    assert len(plain) == len(shown) == 8
    for image in plain:  # where the map is 0, black lies over grey
        assert np.ptp(image[..., :3].mean(axis=(0, 1))) < 0.02
    changed = [index for index in range(8) if not np.array_equal(plain[index], shown[index])]
    assert changed == [4 + 2]
    red, _, blue = shown[6][..., :3].mean(axis=(0, 1))
    assert red > blue + 0.1


def test_the_sample_is_the_first_beat_of_three_patients_of_each_outcome(finished: Experiment) -> None:
    winner = find_winner(finished.storage, finished.name)
    found = sample_beats(winner)
    predictions, stored = winner.predictions, winner.images
    places = [int(title.split()[1]) - 1 for title in found.titles]
    assert predictions.label_P[places].tolist() == [1, 1, 1, 0, 0, 0]
    for beat, (place, title) in enumerate(zip(places, found.titles, strict=True)):
        assert title.splitlines()[1] == finished.cohort.class_names[predictions.label_P[place]]
        first = np.flatnonzero(stored.patient_N == predictions.patient_ids[place])[0]
        assert np.array_equal(found.inputs.image_BCFT[beat], stored.image_NFT[first : first + 2])
    assert found.leads == ("II", "V1")
    assert not any(patient_id in "".join(found.titles) for patient_id in predictions.patient_ids)


def test_amplitudes_are_part_of_the_sample_if_the_network_reads_them(finished: Experiment) -> None:
    winner = find_winner(finished.storage, finished.name)
    assert sample_beats(winner).inputs.scalar_BCE.shape == (6, 2, 0)
    finetune = winner.experiment.finetune.model_copy(update={"amplitude": True})
    experiment = winner.experiment.model_copy(update={"finetune": finetune})
    with_amplitude = dataclasses.replace(winner, experiment=experiment)
    assert sample_beats(with_amplitude).inputs.scalar_BCE.shape == (6, 2, 1)


def test_the_caption_names_the_outcome() -> None:
    assert "predicted probability of recovery" in grad_cam_caption("recovery")
