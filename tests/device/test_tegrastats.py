import json
import re

import pytest
from edgeshrink_device.tegrastats import parse_line, read_records
from edgeshrink_device.tegrastats.parser import KEYS, LONGEST_LINE
from hypothesis import given, settings
from hypothesis import strategies as st

from .tegrastats_by_hand import BY_HAND
from .tegrastats_lines import CAPTURED, LINES, damaged

REASONS = ("emc_percent_reason", "gpu_percent_reason", "rails_mw_reason")
NOTHING = {key: None for key in KEYS if key not in REASONS}

# The old grammar of a TX1 (L4T R24), which no captured line has.
R24 = (
    "RAM 1179/3983MB (lfb 120x4MB) cpu [2%,5%,8%,11%]@1734 EMC 0%@1600 AVP 1%@115 NVDEC 192 MSENC 192 "
    "GR3D 0%@998 EDP limit 1734"
)


def whole(line):
    return not line["kind"].startswith(("malformed", "truncated", "not", "fixture (garbled"))


def first_line(board, l4t):
    return next(x["line"] for x in CAPTURED if (x["board"], x["l4t"]) == (board, l4t) and whole(x))


def test_every_board_and_release_with_a_whole_line_was_read_by_hand():
    assert {(line["board"], line["l4t"]) for line in CAPTURED if whole(line)} == set(BY_HAND)


@pytest.mark.parametrize(("board", "l4t"), BY_HAND)
def test_a_line_gives_what_a_person_reads_in_it(board, l4t):
    record = parse_line(first_line(board, l4t))
    told = {key: value for key, value in record.items() if key not in REASONS}
    assert told == {**NOTHING, **BY_HAND[board, l4t], "unread": []}
    assert list(record) == list(KEYS)


@pytest.mark.parametrize("line", [line["line"] for line in CAPTURED if whole(line)])
def test_of_a_whole_line_nothing_stays_unread_and_every_missing_value_has_its_reason(line):
    record = parse_line(line)
    assert record["unread"] == []
    for key in REASONS:
        assert (record[key] is None) == (record[key[: -len("_reason")]] is not None)


@pytest.mark.parametrize("line", [line["line"] for line in CAPTURED if not whole(line)])
def test_a_line_that_is_not_whole_is_an_error_or_says_what_it_could_not_read(line):
    record = parse_line(line)
    if "error" in record:
        assert record == {"error": record["error"], "line": line}
    else:
        assert record["unread"]


def test_of_a_line_cut_short_only_what_came_before_the_cut_is_told():
    cut = parse_line(next(line for line in LINES if line.endswith("CPU [9%@1479,0%")))
    assert cut["unread"] == ["CPU [9%@1479,0%"]
    assert (cut["ram_used_mb"], cut["cpu"], cut["rails_mw"]) == (1464, None, None)
    cut = parse_line(next(line for line in LINES if line.endswith("VDD_W")))
    assert cut["unread"] == ["VDD_W"]
    assert list(cut["rails_mw"]) == ["VDD_IN", "VDD_CPU", "VDD_GPU", "VDD_SOC"]


@pytest.mark.parametrize(
    "end",
    ["VDD_IN 52", "VDD_IN 5297/", "VDD_IN 5297mW/52", "VDD_IN 5297mW/5297m", "GR3D_FREQ 1%@[1300,13"],
)
def test_half_a_token_is_not_taken_for_a_whole_one(end):
    record = parse_line("RAM 1/2MB " + end)
    assert record["unread"] == [end]
    assert {record[key] for key in ("rails_mw", "engines", "gpu_mhz", "gpu_percent")} == {None}


def test_two_samples_run_together_do_not_mix():
    line = next(x["line"] for x in CAPTURED if x["kind"].startswith("malformed (two samples"))
    record = parse_line(line)
    assert record["rails_mw"] is None
    assert record["unread"] == ["8133mW/3098mW VDD_SOC 2079mW/1930mW"]
    assert parse_line(LINES[0] + " " + LINES[1])["error"] == "two samples in one line"


def test_zeros_that_are_no_measurement_are_null_and_real_ones_stay():
    without_root = parse_line("RAM 1/2MB EMC_FREQ 0% GR3D_FREQ 0% GR3D2_FREQ 0%@0")
    assert (without_root["emc_percent"], without_root["gpu_percent"]) == (None, None)
    assert "without root" in without_root["gpu_percent_reason"]
    assert without_root["engines"] is None
    r36_without_root = parse_line("RAM 1/2MB GR3D_FREQ 0%")
    assert (r36_without_root["gpu_percent"], r36_without_root["gpu_mhz"]) == (0, None)
    assert r36_without_root["emc_percent_reason"] == "the line has no EMC_FREQ with a load"
    with_root = parse_line("RAM 1/2MB EMC_FREQ 0%@204 GR3D_FREQ 0%@76")
    assert (with_root["emc_percent"], with_root["gpu_percent"]) == (0, 0)


@pytest.mark.parametrize(
    ("text", "percent", "mhz"),
    [
        ("GR3D_FREQ 0%@76", 0, [76]),
        ("GR3D_FREQ 28%@76", 28, [76]),
        ("GR3D_FREQ 0%@[305]", 0, [305]),
        ("GR3D_FREQ 12%@[1300,1300]", 12, [1300, 1300]),
        ("GR3D_FREQ @[314,314,314]", None, [314, 314, 314]),
        ("GR3D_FREQ 45%", 45, None),
        ("GR3D 36%@140", 36, [140]),
    ],
)
def test_every_way_to_print_the_gpu(text, percent, mhz):
    record = parse_line("RAM 1/2MB {} APE 25".format(text))  # noqa: UP032
    assert (record["gpu_percent"], record["gpu_mhz"], record["ape_mhz"]) == (percent, mhz, 25)


def test_a_thor_says_that_it_prints_no_load():
    assert "no load" in parse_line("RAM 1/2MB GR3D_FREQ @[314,314,314]")["gpu_percent_reason"]


def test_the_old_grammar_shares_one_clock_among_its_cores():
    record = parse_line(R24)
    assert record["cpu"] == [{"percent": percent, "mhz": 1734} for percent in (2, 5, 8, 11)]
    assert record["engines"] == {
        "AVP": {"percent": 1, "mhz": 115},
        "NVDEC": {"percent": None, "mhz": 192},
        "MSENC": {"percent": None, "mhz": 192},
    }
    assert (record["gpu_mhz"], record["edp_limit"], record["unread"]) == ([998], 1734, [])


def test_rails_and_zones_named_like_processors_stay_apart():
    record = parse_line(first_line("AGX Xavier", "R32 (non-root)"))
    assert record["rails_mw"]["CPU"]["cur"] == 618
    assert record["temps_c"]["CPU"] == 31.5
    assert len(record["cpu"]) == 8


def test_dummies_and_unconnected_rails_are_dropped():
    record = parse_line("RAM 1/2MB PMIC@100C CV0@-256C tj@40C/-256C NC 0mW/0mW VDD_IN 1mW/1mW NC 0mW/0mW")
    assert (record["temps_c"], record["temps_max_c"]) == ({"tj": 40.0}, None)
    assert list(record["rails_mw"]) == ["VDD_IN"]
    nothing_left = parse_line("RAM 1/2MB PMIC@100C NC 0mW/0mW")
    assert (nothing_left["temps_c"], nothing_left["rails_mw"]) == (None, None)


def test_a_name_that_comes_twice_keeps_both_values():
    rails = parse_line("RAM 1/2MB VDD_X 1/1 VDD_X 2/2 VDD_X 3/3")["rails_mw"]
    assert [(name, rail["cur"]) for name, rail in rails.items()] == [
        ("VDD_X", 1),
        ("VDD_X#2", 2),
        ("VDD_X#3", 3),
    ]


def test_the_third_number_of_r39_is_the_highest_so_far():
    later = [x["line"] for x in CAPTURED if (x["board"], x["l4t"]) == ("AGX Thor", "R39.2.0")][1]
    record = parse_line(later)
    assert record["rails_mw"]["VDD_CPU_SOC_MSS"] == {"cur": 7953, "avg": 8332, "peak": 8710}
    assert (record["temps_c"]["cpu"], record["temps_max_c"]["cpu"]) == (34.312, 34.843)


@pytest.mark.parametrize("rail", ["POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"])
def test_the_second_number_of_a_rail_is_the_mean_since_tegrastats_started(rail):
    """Twelve samples in a row of one Nano; whole milliwatts, rounded down."""
    records = [parse_line(x["line"]) for x in CAPTURED if "of 12 consecutive" in x["kind"]]
    shown = [record["rails_mw"][rail] for record in records]
    total = 0
    for count, sample in enumerate(shown, start=1):
        total += sample["cur"]
        assert sample["avg"] == total // count
    assert len(shown) == 12


@pytest.mark.parametrize(
    ("text", "timestamp", "unread"),
    [
        ("[2018-08-23 16:30:36] : RAM 1/2MB", "2018-08-23T16:30:36", []),
        ("2026-05-09T18:42:06 RAM 1/2MB", "2026-05-09T18:42:06", []),
        ("12-31-2025 23:59:59 RAM 1/2MB", "2025-12-31T23:59:59", []),
        ("31-12-2025 23:59:59 RAM 1/2MB", None, ["31-12-2025 23:59:59"]),
        ("Nov 21 17:40:01 nano: RAM 1/2MB", None, ["Nov 21 17:40:01 nano:"]),
        ("\0\0\0RAM 1/2MB", None, []),
        ("  RAM   1/2MB  \r\n", None, []),
    ],
)
def test_what_stands_before_a_sample(text, timestamp, unread):
    record = parse_line(text)
    assert (record["timestamp"], record["unread"], record["ram_used_mb"]) == (timestamp, unread, 1)


def test_spaces_and_order_do_not_matter():
    line = first_line("Nano 4GB", "R32.7")
    assert parse_line(line.replace(" ", "  ")) == parse_line(line)
    rails = re.search(r"POM_5V_IN.*", line).group()
    head = re.match(r"RAM \S+ \(lfb \S+", line).group()
    middle = line[len(head) : -len(rails)]
    assert parse_line(" ".join((head, rails, middle))) == parse_line(line)


@pytest.mark.parametrize("text", ["", "\n", "Unknown command: --count", "IRAM 0/252kB", "RAM 12/3"])
def test_what_is_no_sample_is_an_error_with_the_line(text):
    record = parse_line(text)
    assert set(record) == {"error", "line"}
    assert record["line"] == text.strip()


def test_a_line_longer_than_any_is_refused_and_not_repeated_whole():
    record = parse_line("RAM 1/2MB " + "x" * LONGEST_LINE)
    assert record["error"] == "longer than any line of tegrastats"
    assert len(record["line"]) < 1000


def test_a_file_of_lines_gives_its_records_one_by_one_and_holds_no_long_line(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"RAM 1/2MB\r\n\n\xff\xfe\n" + b"x" * 100000 + b"\nRAM 3/4MB")
    with path.open("rb") as file:
        records = list(read_records(file))
    assert [record.get("ram_used_mb", record.get("error", "")[:6]) for record in records] == [
        1,
        "no 'RA",
        "longer",
        3,
    ]


def check(record):
    """Whatever comes in, a record is one of the two forms and is JSON."""
    json.loads(json.dumps(record, allow_nan=False))
    assert set(record) in ({"error", "line"}, set(KEYS))


@settings(deadline=None, derandomize=True)
@given(st.text())
def test_any_text_is_read_or_refused(text):
    check(parse_line(text))
    check(parse_line("RAM 1/2MB " + text))


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([word for line in LINES for word in line.split()]), max_size=60))
def test_words_of_real_lines_in_any_order_are_read_or_refused(words):
    check(parse_line(" ".join(words)))
    check(parse_line("RAM 1/2MB " + " ".join(words)))


def test_damaged_lines_are_read_or_refused():
    for line in damaged(3000):
        check(parse_line(line))
