import numpy as np
import torch

from benchmarks.finetune import NUM_PATIENTS, _beats, _folds, _Frozen, _prefix
from crtcore.model.backbones import build


def test_the_peer_computes_the_same_features_as_stored_activations() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64), dtype=np.uint8)
    backbone = build(18, 0).backbone.eval()
    peer = _Frozen(backbone.prefix(4), backbone.tail(4)).train()
    assert not peer.prefix.training
    peer.tail.eval()
    activation = _prefix(images, 4)
    with torch.no_grad():
        features = backbone.tail(4)(activation.movedim(-1, 1))
        torch.testing.assert_close(peer(torch.from_numpy(images)), features, rtol=1e-4, atol=1e-5)


def test_each_patient_has_beats_and_is_scored_once() -> None:
    beats = _beats(torch.zeros(96, 64, 64, dtype=torch.uint8))
    assert np.unique(beats.patient_B).tolist() == list(range(NUM_PATIENTS))
    scored = np.concatenate([fold.test_P for fold in _folds()])
    assert sorted(scored.tolist()) == list(range(NUM_PATIENTS))
    for fold in _folds():
        assert set(beats.label_P[fold.test_P].tolist()) == {0, 1}
