import math

from benchmarks.simulate_cluster import MEAN_UPTIME_S, simulate


def test_no_stage_is_built_twice_and_all_trials_end_also_with_preemptions() -> None:
    undisturbed, preempted = (simulate(60, 6, 0, uptime_s) for uptime_s in (math.inf, MEAN_UPTIME_S / 20))
    assert undisturbed["preemptions"] == 0 < preempted["preemptions"]
    for result in (undisturbed, preempted):
        assert result["duplicated_stages"] == 0
        assert sum(result["states"].values()) == 60
        assert set(result["states"]) == {"COMPLETE", "PRUNED"}
        assert result["ratio_to_bound"] >= 1
    assert preempted["makespan_h"] > undisturbed["makespan_h"]
