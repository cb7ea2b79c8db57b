import itertools

from edgeshrink_device.warmup import warm_up


def test_warm_up_ends_when_three_windows_agree():
    times = itertools.chain([0.09, 0.07], itertools.repeat(0.02))
    result = warm_up(lambda: next(times), 5.0)
    assert result["steady"]
    assert result["median_ms"] == 20
    assert result["runs"] == 12


def test_warm_up_ends_at_its_limit_when_times_never_agree():
    times = (0.1 * 1.2**i for i in itertools.count())
    result = warm_up(lambda: next(times), 5.0)
    assert not result["steady"]
    assert result["seconds"] >= 5.0
    assert result["runs"] < 20


def test_one_run_longer_than_the_limit_is_run_three_times():
    assert warm_up(lambda: 60.0, 5.0) == {"runs": 3, "seconds": 180.0, "steady": False, "median_ms": 60000.0}
