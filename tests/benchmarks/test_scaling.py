import os
from collections import Counter
from pathlib import Path

from benchmarks.scaling import REQUEST, environment, experiment_of


def test_requests_for_shards_are_counted_by_their_address() -> None:
    paths = (
        "stages/shard/a/x.parquet",
        "stages/shard/b/x.parquet",
        "stages/shard/a/x.parquet",
    )
    text = "".join(f"GET /bucket/lab/{path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths)
    text += "GET /bucket/lab/stages/shard/a/manifest.json HTTP/1.1\r\n\r\nHEAD /lab/x.parquet HTTP/1.1"
    found = Counter(REQUEST.findall(text.encode()))
    assert sorted(found.values()) == [1, 2]
    assert found[b"/bucket/lab/stages/shard/a/x.parquet"] == 2


def test_each_trial_pretrains_for_itself_in_one_epoch() -> None:
    experiment = experiment_of(Path("data"), "bucket", 5, quick=True)
    assert experiment.search.trials == 5 == len(set(experiment.search.space["pretrain.learning_rate"]))
    assert experiment.pretrain.epochs == 1


def test_variables_are_set_and_restored() -> None:
    os.environ.pop("CRTSEARCH_TEST_VARIABLE", None)
    with environment(CRTSEARCH_TEST_VARIABLE="inside"):
        assert os.environ["CRTSEARCH_TEST_VARIABLE"] == "inside"
    assert "CRTSEARCH_TEST_VARIABLE" not in os.environ
