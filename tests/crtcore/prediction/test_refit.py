"""The stage refit, and the model that it stores."""

import numpy as np
import pytest
import torch

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import Plan, open_store, plan, prepare, read_sources
from crtcore.prediction.network import encode_model, load_model
from crtcore.prediction.predictor import BeatInputs, Preparation, beat_logits
from crtcore.prediction.refit import load_refit, refit_stage, run_refit
from crtcore.signal.formats import read_any
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.pretraining.pretrain import MODEL_FILE, run_pretrain

CPU = torch.device("cpu")


def pretrained(experiment: Experiment) -> tuple[StageStore, Plan]:
    store, sources = open_store(experiment), read_sources(experiment)
    stages = plan(experiment, sources)
    prepare(store, stages)
    for _ in run_pretrain(store, stages.pretrain, experiment, stages.arrhythmia, CPU):
        pass
    return store, stages


def refitted(experiment: Experiment, store: StageStore, stages: Plan) -> Stage:
    config, seed = experiment.finetune, experiment.seed
    stage = refit_stage(config, seed, stages.pretrain, stages.cohort)
    for _ in run_refit(store, stage, config, seed, stages.pretrain, stages.cohort, CPU):
        pass
    return stage


def inputs_of(experiment: Experiment) -> BeatInputs:
    first = sorted(experiment.manifest_path.parent.glob("records/*.hea"))[0]
    assert experiment.cohort.leads is not None
    preparation = Preparation(
        spectrogram=experiment.spectrogram,
        leads=experiment.cohort.leads,
        max_beats=None,
        amplitude=experiment.finetune.amplitude,
    )
    return preparation.inputs(read_any(first))


@pytest.mark.parametrize(("frozen_groups", "amplitude"), [(5, True), (4, False)])
def test_frozen_groups_stay_and_the_rest_is_trained(
    tiny: Experiment, frozen_groups: int, amplitude: bool
) -> None:
    experiment = override(
        tiny,
        {
            "finetune.frozen_groups": frozen_groups,
            "finetune.amplitude": amplitude,
            "pretrain.objective": "none",
        },
    )
    store, stages = pretrained(experiment)
    model = load_refit(store, refitted(experiment, store, stages))
    before = load_backbone(store.path(stages.pretrain, MODEL_FILE)).state_dict()
    moved = {name for name, tensor in model.backbone.state_dict().items() if not tensor.equal(before[name])}
    assert all(name.startswith("layer4") for name in moved)
    assert bool(moved) == (frozen_groups == 4)
    assert model.head.linear.weight.abs().max() > 0
    assert model.num_scalars == int(amplitude)

    inputs = inputs_of(experiment)
    logit_B = beat_logits(model, inputs)
    files = encode_model(model)
    folder = store.cache
    for name, content in files.items():
        (folder / name).write_bytes(content)
    again = load_model(lambda name: folder / name)
    assert np.array_equal(beat_logits(again, inputs), logit_B)
    # A beat's logit does not depend on the beats beside it.
    alone = BeatInputs(image_BCFT=inputs.image_BCFT[:1], scalar_BCE=inputs.scalar_BCE[:1])
    assert beat_logits(again, alone) == pytest.approx(logit_B[:1], abs=1e-5)


def test_a_second_run_reads(tiny: Experiment) -> None:
    experiment = override(tiny, {"pretrain.objective": "none"})
    store, stages = pretrained(experiment)
    stage = refitted(experiment, store, stages)
    config = experiment.finetune
    assert not list(run_refit(store, stage, config, 0, stages.pretrain, stages.cohort, CPU))


def test_how_a_trial_is_scored_is_no_part_of_its_identity(tiny: Experiment) -> None:
    stages = plan(tiny, read_sources(tiny))
    digests = {
        refit_stage(override(tiny, values).finetune, tiny.seed, stages.pretrain, stages.cohort).digest
        for values in ({"finetune.folds": 2}, {"finetune.folds": 3}, {"finetune.learning_rate": 0.5})
    }
    assert len(digests) == 2
