import numpy as np
import pytest
from edgeshrink_device import InputError, bootstrap, stats

from .helpers import profile


def launched(rng, launches=8, runs=12, launch_sd=0.03, run_sd=0.05, scale=1.0, drift=0.0):
    """Times whose median is `scale`, each launch a little off as a whole."""
    levels = rng.normal(0, launch_sd, launches) + drift
    return scale * np.exp(levels[:, None] + rng.normal(0, run_sd, (launches, runs))).ravel()


def test_a_summary_says_what_numpy_says():
    times = np.random.default_rng(0).gamma(3, 1, 501)
    summary = stats.summarize(times)
    assert summary["n"] == 501
    assert summary["median"] == np.median(times)
    assert summary["p90"] == pytest.approx(np.percentile(times, 90))
    assert summary["p99"] == pytest.approx(np.percentile(times, 99))
    assert (summary["min"], summary["max"]) == (times.min(), times.max())
    assert summary["std"] == pytest.approx(times.std(ddof=1))
    assert summary["ci95"][0] <= summary["median"] <= summary["ci95"][1]


def test_the_same_seed_gives_the_same_interval():
    times = np.random.default_rng(0).gamma(3, 1, 200)
    assert stats.summarize(times, seed=3) == stats.summarize(times, seed=3)


def test_one_run_has_no_spread():
    summary = stats.summarize([2.0])
    assert summary["std"] is None
    assert summary["ci95"] == [2.0, 2.0]


@pytest.mark.parametrize("times", [[], [1.0, float("nan")], [[1.0], [2.0]]])
def test_times_that_cannot_be_summarized_are_refused(times):
    with pytest.raises(InputError):
        stats.summarize(times)


def test_groups_that_do_not_add_up_are_refused():
    with pytest.raises(InputError, match="the groups hold 25 runs, the times are 24"):
        stats.summarize(np.ones(24), [5] * 5)


def test_medians_of_resampled_groups_are_exact():
    rng = np.random.default_rng(0)
    groups = [3, 5, 2, 6, 4]
    times = rng.gamma(3, 1, sum(groups))
    weights = bootstrap.group_weights(5, bootstrap.generator(0))[:50]
    pieces = np.split(times, np.cumsum(groups)[:-1])
    expected = [np.median(np.concatenate([np.tile(p, w) for p, w in zip(pieces, row)])) for row in weights]
    actual = bootstrap.GroupedTimes(times, groups).medians(weights)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("n", [20, 21])
def test_medians_of_resampled_runs_are_distributed_like_those_of_plain_resampling(n):
    rng = np.random.default_rng(0)
    times = rng.gamma(3, 1, n)
    plain = np.median(times[rng.integers(0, n, (20000, n))], axis=1)
    drawn = bootstrap.run_medians(times, bootstrap.generator(0))
    apart = [(plain <= time).mean() - (drawn <= time).mean() for time in np.sort(times)]
    assert np.abs(apart).max() < 0.03


def test_a_million_times_are_binned_finer_than_their_interval():
    rng = np.random.default_rng(0)
    times = launched(rng, runs=125_000)
    summary = stats.summarize(times, [125_000] * 8)
    draws = bootstrap.GroupedTimes(times, [125_000] * 8).medians(np.ones((1, 8)))
    width = summary["ci95"][1] - summary["ci95"][0]
    assert abs(draws[0] - np.median(times)) < width / 100


@pytest.mark.parametrize(("launches", "launch_sd"), [(8, 0.03), (8, 0.0), (5, 0.03)])
def test_the_interval_covers_the_true_median_as_often_as_it_says(launches, launch_sd):
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(150):
        times = launched(rng, launches, launch_sd=launch_sd)
        low, high = stats.summarize(times, [12] * launches, seed=seed)["ci95"]
        hits += low <= 1 <= high
    assert 0.90 <= hits / 150 <= 0.99


def test_single_runs_as_if_independent_would_cover_far_less():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(100):
        low, high = stats.summarize(launched(rng, runs=100), seed=seed)["ci95"]
        hits += low <= 1 <= high
    assert hits / 100 < 0.6


@pytest.mark.parametrize("session", ["s", "another"])
def test_the_interval_of_a_ratio_covers_the_true_ratio_as_often_as_it_says(session):
    rng = np.random.default_rng(2)
    hits = 0
    for seed in range(120):
        slow = profile(launched(rng, scale=1.3))
        fast = profile(launched(rng), session=session)
        low, high = stats.ratio_interval(slow, fast, seed=seed)["ci95"]
        hits += low <= 1.3 <= high
    assert 0.90 <= hits / 120 <= 1.0


def test_drift_common_to_one_session_cancels():
    rng = np.random.default_rng(3)
    drift = rng.normal(0, 0.3, 8)
    slow = profile(launched(rng, launch_sd=0.0, scale=2.0, drift=drift))
    fast = profile(launched(rng, launch_sd=0.0, drift=drift))
    paired = stats.ratio_interval(slow, fast)
    apart = stats.ratio_interval(slow, dict(fast, session={"id": "another"}))
    assert paired["method"] == "paired bootstrap of 8 groups"
    assert apart["method"] == "independent bootstrap of 8 groups"
    assert paired["ci95"][0] <= 2.0 <= paired["ci95"][1]
    assert np.diff(paired["ci95"]) < np.diff(apart["ci95"]) / 3


def test_a_profile_against_itself_is_exactly_one():
    same = profile(launched(np.random.default_rng(0)))
    assert stats.ratio_interval(same, same)["ci95"] == [1.0, 1.0]


def test_a_profile_without_such_times_is_refused():
    document = profile([1.0] * 8)
    with pytest.raises(InputError, match="m holds no gpu times"):
        stats.ratio_interval(document, document, clock="gpu")


def test_few_launches_are_resampled_by_block():
    blocks = [{"launch": i // 2, "runs": 3 + i} for i in range(6)]
    assert stats.group_runs(blocks) == [3, 4, 5, 6, 7, 8]
    assert stats.group_runs([{"launch": i // 2, "runs": 1} for i in range(10)]) == [2] * 5


def test_a_histogram_holds_every_run():
    times = np.random.default_rng(0).gamma(3, 1, 1000)
    histogram = stats.histogram(times)
    assert sum(histogram["counts"]) + histogram["above"] == 1000
    assert len(histogram["edges_ms"]) == len(histogram["counts"]) + 1 == 41


def test_a_histogram_of_equal_times_is_one_bin():
    assert stats.histogram([2.0, 2.0]) == {"edges_ms": [2.0, 2.0], "counts": [2], "above": 0}
