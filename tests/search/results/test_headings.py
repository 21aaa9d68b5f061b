"""Column headings for hyperparameters."""

from search.results.headings import headings


def test_known_names_are_shortened_and_others_are_written_with_spaces() -> None:
    keys = ["finetune.frozen_groups", "finetune.batch_size", "spectrogram.window_length"]
    assert headings(keys) == {
        "finetune.frozen_groups": "frozen",
        "finetune.batch_size": "batch",
        "spectrogram.window_length": "window length",
    }


def test_the_section_is_added_only_if_two_keys_would_have_the_same_heading() -> None:
    keys = ["pretrain.learning_rate", "finetune.learning_rate", "pretrain.depth"]
    assert list(headings(keys).values()) == ["pretrain\nlr", "finetune\nlr", "depth"]
