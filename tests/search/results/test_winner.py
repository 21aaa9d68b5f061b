"""The winner with its settings, data and stages."""

from dataclasses import replace

import numpy as np
import pytest

from crtcore.config import Experiment, TrialResources
from crtcore.configfile import override
from crtcore.model.checkpoint import load_backbone
from crtcore.pipeline import plan
from crtcore.training.pretraining.pretrain import MODEL_FILE
from search.report.competitors import backbones
from search.results.refit import refit
from search.results.winner import Winner, cohort_inputs, find_winner


@pytest.fixture
def winner(finished: Experiment) -> Winner:
    return find_winner(finished.storage, finished.name)


def from_scratch(winner: Winner) -> Winner:
    """The same sweep with the trial of the random backbone as the winner."""
    row = next(row for row in winner.leaderboard.rows if row.params["pretrain.objective"] == "none")
    experiment = override(winner.base, row.params)
    return replace(winner, row=row, experiment=experiment, plan=plan(experiment, winner.sources))


def test_its_settings_are_the_best_trial_s_and_its_stages_are_built(winner: Winner) -> None:
    assert winner.row == winner.leaderboard.rows[0]
    assert winner.experiment == override(winner.base, winner.row.params)
    assert winner.store.find(winner.plan.finetune) is not None
    assert len(cohort_inputs(winner)) == winner.row.counts["num_beats"]


def test_a_winner_with_a_random_backbone_keeps_it_in_the_refit(winner: Winner) -> None:
    scratch = from_scratch(winner)
    assert not scratch.is_pretrained
    assert list(backbones(scratch)) == ["a random backbone's features"]
    assert len(backbones(winner)) == 1 + winner.is_pretrained
    model = refit(scratch)
    before = load_backbone(scratch.store.path(scratch.plan.pretrain, MODEL_FILE)).state_dict()
    assert scratch.experiment.finetune.frozen_groups == 5
    assert all(tensor.equal(before[name]) for name, tensor in model.backbone.state_dict().items())
    assert np.isfinite(model.head.linear.weight.detach().numpy()).all()


def test_without_a_gpu_the_cpu_is_used(winner: Winner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    base = override(winner.base, {"resources.trial": {"cpus": 2, "gpus": 0.5}})
    assert replace(winner, base=base).device_resources() == TrialResources(cpus=2, gpus=0)
