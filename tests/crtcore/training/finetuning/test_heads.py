import pytest
import torch
from torch import nn

from crtcore.training.finetuning.heads import BeatHead, BeatNetwork, LeadFusion

FUSIONS: tuple[LeadFusion, LeadFusion] = ("mean", "concatenate")


def features(num_beats: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scale_D = torch.tensor([1.0, 10.0, 0.1, 3.0])
    return torch.randn(num_beats, 2, 4, generator=generator) * scale_D + 5


def test_features_are_standardised_by_weighted_statistics_and_scaled_by_their_number() -> None:
    weight_B = torch.linspace(0.1, 2, 40)
    head = BeatHead(features(), weight_B, "concatenate")
    z_BD = (features().flatten(1) - head.mean_D) * head.scale_D / (512 / 8)
    share_B1 = (weight_B / weight_B.sum()).unsqueeze(1)
    torch.testing.assert_close((share_B1 * z_BD).sum(dim=0), torch.zeros(8), atol=1e-5, rtol=0)
    sd_D = (share_B1 * z_BD**2).sum(dim=0).sqrt()
    assert sd_D[[1, 5]].tolist() == pytest.approx([1, 1], abs=0.01)
    assert float(sd_D.max()) <= 1  # the variance floor keeps small features small


def test_a_constant_feature_of_the_training_patients_stays_small_on_others() -> None:
    spoken = torch.randn(40, 2, 4, generator=torch.Generator().manual_seed(0))
    silent = spoken.clone()
    silent[:, 0, 1] = 0
    head = BeatHead(silent, torch.ones(40), "concatenate")
    z_BD = (spoken.flatten(1) - head.mean_D) * head.scale_D / (512 / 8)
    assert 5 < float(z_BD[:, 1].std()) < 15  # and not infinite, as with variance 0


@pytest.mark.parametrize(("lead_fusion", "num_inputs"), [("concatenate", 8), ("mean", 4)])
def test_leads_are_fused_and_training_starts_at_a_probability_of_one_half(
    lead_fusion: LeadFusion, num_inputs: int
) -> None:
    head = BeatHead(features(), torch.ones(40), lead_fusion)
    assert head.linear.in_features == num_inputs
    assert head(features(7)).tolist() == [0.0] * 7


def test_the_order_of_leads_matters_to_concatenation_and_not_to_the_mean() -> None:
    for lead_fusion in FUSIONS:
        head = BeatHead(features(), torch.ones(40), lead_fusion)
        nn.init.normal_(head.linear.weight, generator=torch.Generator().manual_seed(1))
        same = torch.allclose(head(features()), head(features().flip(1)), atol=1e-5)
        assert same == (lead_fusion == "mean")


def test_with_mean_prediction_the_logit_is_the_mean_of_one_vote_per_lead() -> None:
    head = BeatHead(features(), torch.ones(40), "mean_prediction")
    nn.init.normal_(head.linear.weight, generator=torch.Generator().manual_seed(1))
    assert head.linear.in_features == 4
    votes = head.votes(features())
    assert votes.shape == (40, 2)
    alone = head(features()[:, 1:])
    torch.testing.assert_close(votes[:, 1], alone)
    torch.testing.assert_close(head(features()), votes.mean(dim=1))
    rows = features().flatten(0, 1)
    torch.testing.assert_close(head.mean_D, rows.mean(dim=0))


def test_scalars_are_added_to_the_features_of_their_lead() -> None:
    scalar_BCE = torch.randn(40, 2, 1, generator=torch.Generator().manual_seed(3))
    head = BeatHead(torch.cat([features(), scalar_BCE], dim=2), torch.ones(40), "concatenate")
    assert head.linear.in_features == 10
    nn.init.normal_(head.linear.weight, generator=torch.Generator().manual_seed(1))
    network = BeatNetwork(nn.Identity(), head)
    rows = features().flatten(0, 1)
    changed = scalar_BCE.clone()
    changed[7, 1] += 1
    moved = network(rows, changed) != network(rows, scalar_BCE)
    assert moved.nonzero()[:, 0].tolist() == [7]


def test_a_beat_network_gives_one_logit_per_beat() -> None:
    head = BeatHead(features(), torch.ones(40), "concatenate")
    nn.init.normal_(head.linear.weight, generator=torch.Generator().manual_seed(1))
    network = BeatNetwork(nn.Identity(), head)
    votes = network(features().flatten(0, 1), torch.empty(40, 2, 0))
    assert torch.equal(votes, head(features()).unsqueeze(1))
