import pytest
import torch

from crtcore.model.backbones import GROUPS, Backbone, build

NUM_PARAMETERS = {18: 11.2e6, 50: 23.5e6}  # torchvision's, without the classifier
NUM_FEATURES = {18: 512, 50: 2048}


def images(num: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (num, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("depth", [18, 50])
def test_each_depth_has_its_weights_and_features(depth: int) -> None:
    backbone = Backbone(depth).eval()
    num_parameters = sum(parameter.numel() for parameter in backbone.parameters())
    assert num_parameters == pytest.approx(NUM_PARAMETERS[depth], rel=0.01)
    with torch.inference_mode():
        assert backbone(images(2)).shape == (2, NUM_FEATURES[depth])
    assert backbone.num_features == NUM_FEATURES[depth]


def test_prefix_and_tail_make_the_whole_network() -> None:
    backbone = build(18, 0).backbone.eval()
    with torch.inference_mode():
        whole_ND = backbone(images())
        for num_groups in range(len(GROUPS) + 1):
            halves_ND = backbone.tail(num_groups)(backbone.prefix(num_groups)(images()))
            assert torch.equal(halves_ND, whole_ND), num_groups


def test_prefix_and_tail_divide_the_network_s_weights_and_share_them_with_it() -> None:
    backbone = Backbone(18)
    prefix, tail = backbone.prefix(3), backbone.tail(3)
    assert {id(p) for p in prefix.parameters()} == {
        id(p) for group in backbone.groups()[:3] for p in group.parameters()
    }
    assert not {id(p) for p in prefix.parameters()} & {id(p) for p in tail.parameters()}


def test_pixels_are_normalised_by_constants() -> None:
    image_NFT = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1)
    assert Backbone(18).stem[0](image_NFT).flatten().tolist() == pytest.approx([-2.0, -1.2, 2.0], abs=1e-6)


def test_the_weights_depend_on_the_seed_and_the_global_generator_does_not_change() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build(18, seed, ("N", "V")).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["backbone.layer4.1.conv2.weight"], other["backbone.layer4.1.conv2.weight"])
    assert not torch.equal(first["backbone.stem.1.weight"], other["backbone.stem.1.weight"])


def test_a_classifier_has_one_logit_per_class_and_without_classes_returns_features() -> None:
    with torch.inference_mode():
        assert build(18, 0, ("N", "S", "V")).eval()(images()).shape == (3, 3)
        untrained = build(18, 0).eval()
        assert torch.equal(untrained(images()), untrained.backbone(images()))
