"""Energy from sampled power against traces whose energy is known. Time is simulated: nothing sleeps.

Tolerances: the estimate within 1% of the truth; 95% intervals hold it in at least 91% of 300 traces, which a
true coverage of 95% misses once in 900 times (binomial), and one of 90% passes every fourth time.
"""

import functools

import numpy as np
import pytest
from edgeshrink_device.energy_sampled import sampled_trace, summarize_sampled
from edgeshrink_device.loads import pace_of

from .power_traces import Board, Source, sample

TRACES = 300
LEAST = 0.91 * TRACES
TOTAL_MJ, ABOVE_MJ = 140.0, 100.0  # 7 W and 5 W for 20 ms

SENSORS = {
    "instant": {},
    "422 ms windows": {"window_s": 0.422, "renewal_s": 0.422},
    "422 ms windows, untold": {"window_s": 0.422, "renewal_s": 0.422, "tells": False},
    "1 s windows": {"window_s": 1.0, "renewal_s": 1.0},
    "1 s windows, untold": {"window_s": 1.0, "renewal_s": 1.0, "tells": False},
    "40 mW steps": {"step_w": 0.04},
    "one line a second": {"interval_s": 1.0, "window_s": 0.422},
}


def board_for(sensor, **changes):
    """Phases as long as a profile makes them for that sensor."""
    pace = pace_of(
        max(sensor.get("window_s", 0.02), sensor.get("renewal_s", 0)), sensor.get("interval_s", 0.1)
    )
    load_s = max(10.0, pace.lead_s + 5 * pace.stretch_s + pace.tail_s)
    idle_s = pace.lead_s + max(3.0, 2 * pace.idle_stretch_s) + pace.tail_s
    return Board(**dict({"load_s": load_s, "idle_s": idle_s}, **changes))


def summary(board, trace, seed=0):
    return summarize_sampled(Source(), "asked for", trace, board.turns, seed)


@functools.lru_cache(maxsize=1)
def steps():
    return {name: board_for(sensor) for name, sensor in SENSORS.items()}


@pytest.mark.parametrize("name", SENSORS)
def test_energy_of_steps_is_within_one_percent_whatever_the_sensor(name):
    rng = np.random.default_rng(7)
    board = steps()[name]
    energy, reason, _ = summary(board, sample(board, rng, noise_w=0.02, **SENSORS[name]))
    assert reason is None
    assert energy["total"]["mean"] == pytest.approx(TOTAL_MJ, rel=0.01)
    assert energy["above_idle"]["mean"] == pytest.approx(ABOVE_MJ, rel=0.01)
    assert energy["mean_power_w"] == pytest.approx(7, rel=0.01)
    assert energy["idle_power_w"] == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("name", SENSORS)
def test_intervals_hold_the_truth_as_often_as_they_say(name):
    held_total = held_above = 0
    board = steps()[name]
    for seed in range(TRACES):
        trace = sample(board, np.random.default_rng(seed), noise_w=0.1, **SENSORS[name])
        energy, _, _ = summary(board, trace, seed)
        held_total += holds(energy["total"], TOTAL_MJ)
        held_above += holds(energy["above_idle"], ABOVE_MJ)
    assert held_total >= LEAST
    assert held_above >= LEAST


def test_intervals_hold_the_truth_where_the_load_itself_is_restless():
    """The board's power wanders by 0.3 W within 0.2 s: stretches of 1 s are nearly independent."""
    held = 0
    for seed in range(TRACES):
        rng = np.random.default_rng(seed)
        board = Board(shape=wandering(rng, 0.2, 0.3))
        held += holds(summary(board, sample(board, rng, noise_w=0.02), seed)[0]["total"], TOTAL_MJ)
    assert held >= LEAST


@pytest.mark.parametrize("name", ["instant", "422 ms windows", "1 s windows"])
@pytest.mark.parametrize("slope_w_per_s", [0.03, -0.01])
def test_a_ramp_is_followed_and_not_read_late(name, slope_w_per_s):
    """Power drifts by up to 1.5 W over the measurement, idle and loaded alike."""
    sensor = SENSORS[name]
    board = board_for(sensor, shape=lambda times, watts: watts + slope_w_per_s * times)
    energy, _, _ = summary(board, sample(board, np.random.default_rng(0), noise_w=0.02, **sensor))
    pace = pace_of(max(sensor.get("window_s", 0.02), sensor.get("renewal_s", 0)), 0.1)
    total, above = board.settled_mj(pace.lead_s, pace.tail_s)
    assert energy["total"]["mean"] == pytest.approx(total, rel=0.01)
    assert energy["above_idle"]["mean"] == pytest.approx(above, rel=0.01)
    assert holds(energy["total"], total)
    assert holds(energy["above_idle"], above)


def test_what_steps_hide_without_noise_widens_the_interval():
    """7.013 W is shown as 7.00 W: the truth lies within half a step of it."""
    board = Board(load_w=7.013)
    energy, _, _ = summary(board, sample(board, np.random.default_rng(0), noise_w=0.0, step_w=0.04))
    low, high = energy["total"]["ci95"]
    assert low < 7.013 * 20 < high
    assert high - low == pytest.approx(0.04 * 20, rel=0.1)


@pytest.mark.parametrize(
    ("name", "window_s", "told_by"),
    [
        ("422 ms windows", 0.422, "the meter"),
        ("422 ms windows, untold", 0.422, "estimated: how long values stay the same"),
        ("1 s windows, untold", 1.0, "estimated: how long values stay the same"),
    ],
)
def test_the_sensors_window_is_told_or_estimated(name, window_s, told_by):
    """An estimate counts polls of 0.1 s, jittered: within one of them."""
    board = steps()[name]
    energy, _, _ = summary(board, sample(board, np.random.default_rng(0), **SENSORS[name]))
    assert energy["sampling"]["window_s"] == pytest.approx(window_s, abs=0.1)
    assert energy["sampling"]["window_from"] == told_by
    assert energy["sampling"]["rate_hz"] == pytest.approx(10, rel=0.1)


def test_a_profile_says_what_was_sampled():
    board = Board()
    energy, _, _ = summary(board, sample(board, np.random.default_rng(0), step_w=0.04))
    sampling = energy["sampling"]
    assert (sampling["loads"], sampling["load_s"], sampling["resolution_w"]) == (2, 20.0, 0.04)
    assert (energy["source"], energy["rails"], energy["covers"]) == ("simulated", ["ALL"], "everything")
    assert energy["samples"] > 200
    trace = sampled_trace(sample(board, np.random.default_rng(0)), board.turns, 0.0)
    assert len(trace["t_s"]) == len(trace["w"]) > 400
    assert [phase["kind"] for phase in trace["phases"]] == ["idle", "load", "idle"] * 2


def test_dropped_samples_in_between_do_no_harm():
    board, rng = Board(), np.random.default_rng(0)
    trace = sample(board, rng)
    kept = rng.uniform(size=len(trace.watts)) > 0.1
    trace = keep(trace, kept)._replace(dropped=int((~kept).sum()))
    energy, _, warnings = summary(board, trace)
    assert energy["total"]["mean"] == pytest.approx(TOTAL_MJ, rel=0.01)
    assert warnings == [f"{trace.dropped} readings of the meter told nothing"]


def test_a_stretch_with_a_gap_is_left_out_and_told():
    board = Board()
    trace = sample(board, np.random.default_rng(0))
    times = np.array(trace.times_s)
    energy, _, warnings = summary(board, keep(trace, (times < 9.2) | (times > 10.1)))
    assert energy["total"]["mean"] == pytest.approx(TOTAL_MJ, rel=0.01)
    assert any("left out: the meter had gaps" in warning for warning in warnings)


def test_too_many_gaps_are_null_with_the_reason():
    board = Board()
    trace = sample(board, np.random.default_rng(0))
    times = np.array(trace.times_s)
    energy, reason, _ = summary(board, keep(trace, times % 3 < 1.5))
    assert energy is None
    assert "the meter left gaps in" in reason


def test_idle_that_was_not_sampled_is_null_with_the_reason():
    board = Board()
    trace = sample(board, np.random.default_rng(0))
    energy, reason, _ = summary(board, keep(trace, np.array(trace.times_s) > 5.9))
    assert (energy, reason) == (None, "idle power was not measured: the meter left gaps beside a load")


def test_a_clock_that_goes_back_is_null_and_one_that_leaps_a_gap():
    board = Board()
    trace = sample(board, np.random.default_rng(0))
    times = np.array(trace.times_s)
    back = trace._replace(times_s=np.where(times > 12, times - 2, times).tolist())
    assert summary(board, back)[:2] == (None, "the clock of the samples went back")
    leapt = trace._replace(times_s=np.where(times > 12, times + 40, times).tolist())
    energy, reason, _ = summary(board, leapt)
    assert energy is None
    assert "gaps" in reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"failure": "it died", "times_s": [0.1, 0.2], "watts": [1.0, 2.0]},
            "the meter failed while measuring: it died",
        ),
        ({"times_s": [], "watts": [], "dropped": 9}, "the meter gave no readings (9 told nothing)"),
        (
            {"watts": None},
            "the meter gave the same value all along, idle and loaded: it is stuck or too coarse",
        ),
        ({"watts": -1.0}, "the meter gave values that are no power"),
        ({"watts": float("nan")}, "the meter gave values that are no power"),
    ],
)
def test_a_meter_that_cannot_be_believed_is_null_with_the_reason(changes, reason):
    board = Board()
    trace = sample(board, np.random.default_rng(0))
    if not isinstance(changes.get("watts", []), list):
        wrong = changes["watts"]
        watts = [3.0] * len(trace.watts) if wrong is None else [*trace.watts[:-1], wrong]
        changes = {"watts": watts}
    assert summary(board, trace._replace(**changes)) == (None, reason, [])


def test_a_meter_that_dies_in_the_middle_gives_nothing():
    board = Board()
    trace = sample(board, np.random.default_rng(0))
    half = keep(trace, np.array(trace.times_s) < 12)._replace(failure="no such device")
    assert summary(board, half) == (None, "the meter failed while measuring: no such device", [])


def test_a_meter_that_sticks_in_the_middle_gives_nothing():
    """From the second load on it repeats what it saw last."""
    board = Board()
    trace = sample(board, np.random.default_rng(0))
    start = board.turns[1].load[0] + 2
    last = next(watts for at, watts in zip(trace.times_s, trace.watts) if at > start)
    stuck = [watts if at < start else last for at, watts in zip(trace.times_s, trace.watts)]
    energy, reason, _ = summary(board, trace._replace(watts=stuck))
    assert energy is None
    assert reason.startswith("the meter stood still between a load and the idle beside it")


def test_a_short_load_is_null_and_names_the_option():
    board = Board(load_s=5.0)
    _, reason, _ = summary(board, sample(board, np.random.default_rng(0)))
    assert reason == "a load of 5.0 s is too short for sampled power: --load-seconds 10 or more"


def test_too_few_windows_are_null_and_name_the_option():
    board = Board(loads=1, idle_s=9.0)
    sensor = {"window_s": 1.0, "renewal_s": 1.0}
    _, reason, _ = summary(board, sample(board, np.random.default_rng(0), **sensor))
    assert reason == "3 stretches of 2.0 s are too few readings: give --load-seconds 15 or more"


@pytest.mark.parametrize(("interval_s", "window_s"), [(0.1, 1.0), (1.0, 0.422), (1.0, 1.0), (2.0, 2.0)])
def test_the_load_seconds_that_it_names_are_enough(interval_s, window_s):
    rng = np.random.default_rng(0)
    pace = pace_of(window_s, interval_s)
    idle_s = pace.lead_s + 2 * pace.idle_stretch_s + pace.tail_s
    sensor = {"interval_s": interval_s, "window_s": window_s, "renewal_s": window_s}
    few = Board(loads=1, load_s=10.0, idle_s=idle_s)
    _, reason, _ = summary(few, sample(few, rng, **sensor))
    seconds = float(reason.split("--load-seconds ")[1].split()[0])
    loads = 2 if seconds >= 20 else 1
    enough = Board(loads=loads, load_s=seconds / loads, idle_s=idle_s)
    assert summary(enough, sample(enough, rng, **sensor))[1] is None


def test_idle_that_drifts_more_than_the_model_draws_is_no_baseline():
    board = Board(load_w=2.2, loads=1, load_s=20.0, shape=lambda times, watts: watts + 0.03 * times)
    energy, reason, warnings = summary(board, sample(board, np.random.default_rng(0), noise_w=0.01))
    assert reason is None
    assert energy["total"]["mean"] == pytest.approx(1000 * (2.2 + 0.03 * 16) * 0.02, rel=0.02)
    assert energy["above_idle"] is None
    assert "idle power drifted by" in energy["above_idle_reason"]
    assert "idle power drifted by" in warnings[0]


def test_a_load_that_draws_no_more_than_idle_has_nothing_above_it():
    board = Board(load_w=1.9)
    energy, _, _ = summary(board, sample(board, np.random.default_rng(0), noise_w=0.01))
    assert energy["above_idle"] is None
    assert energy["above_idle_reason"] == "the loaded machine drew no more than the idle one"


def test_throttling_in_the_middle_is_told():
    """From the middle of each load on every inference takes twice as long, at less power."""
    board = Board(shape=lambda times, watts: np.where((watts > 5) & (times % 22 > 11), 5.0, watts))
    for turn in board.turns:
        for i, (at, runs) in enumerate(turn.marks):
            turn.marks[i] = (at, min(runs, 250) + max(0, runs - 250) / 2)
    energy, _, warnings = summary(board, sample(board, np.random.default_rng(0)))
    assert "the model ran 50% slower at the end of a load than at its start" in warnings[0]
    low, high = energy["total"]["ci95"]
    assert low < 7 * 20 < high or low < 5 * 40 < high or high - low > 20


def wandering(rng, seconds, watts):
    """Adds a first-order random walk that forgets within `seconds`."""

    def shape(times, drawn):
        kept = np.exp(-0.01 / seconds)
        pushes = rng.normal(0, watts * np.sqrt(1 - kept**2), len(times) // 10 + 1)
        walk = np.zeros(len(pushes))
        for i in range(1, len(pushes)):
            walk[i] = kept * walk[i - 1] + pushes[i]
        return drawn + np.repeat(walk, 10)[: len(times)]

    return shape


def keep(trace, which):
    times, watts = (np.array(values)[which].tolist() for values in (trace.times_s, trace.watts))
    return trace._replace(times_s=times, watts=watts)


def holds(figure, truth):
    return figure["ci95"][0] <= truth <= figure["ci95"][1]
