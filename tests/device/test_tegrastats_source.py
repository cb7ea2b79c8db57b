import json
import threading
import time

import pytest
from edgeshrink_device import DeviceError, power
from edgeshrink_device.power.tegrastats import Tegrastats
from edgeshrink_device.sampler import Sampler
from edgeshrink_device.tegrastats import process

from tests.emulated_jetson import roots
from tests.emulated_jetson.board import board as emulated_board

from .processes import gone, wait_for
from .tegrastats_lines import CAPTURED, write_program

NANO = next(
    x["line"]
    for x in CAPTURED
    if x["line"].endswith("POM_5V_IN 4531/3285 POM_5V_GPU 1113/213 POM_5V_CPU 539/722")
)
AGX_ORIN = next(x["line"] for x in CAPTURED if x["l4t"] == "R34-R35.1")
WITHOUT_RAILS = next(x["line"] for x in CAPTURED if "no rails" in (x["l4t"] or ""))


class Board:
    """A folder that stands in for a board with a tegrastats of its own."""

    def __init__(self, root):
        self.root = root

    def model(self, text):
        tree = self.root / "proc" / "device-tree"
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "model").write_text(text + "\0")

    def program(self, lines, **options):
        return write_program(self.root / "usr" / "bin" / "tegrastats", lines, **options)


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGESHRINK_SYSROOT", str(tmp_path / "root"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    made = Board(tmp_path / "root")
    made.model("NVIDIA Jetson Nano Developer Kit")
    return made


@pytest.fixture
def started():
    sources = []

    def start():
        source = Tegrastats()
        sources.append(source)
        source.start()
        return source

    yield start
    for source in sources:
        source.stop()


def rail(text, milliwatts):
    return f"RAM 1/2MB {text} {milliwatts}/1"


def test_the_total_of_a_nano_is_the_latest_sample_of_its_input_rail_alone(board, started):
    board.program([NANO] * 9)
    source = started()
    assert source.rails == ("POM_5V_IN",)
    assert source.read() == 4.531
    assert source.emulated


def test_the_total_of_an_agx_orin_leaves_out_what_its_5_v_rail_feeds(board, started):
    board.model("NVIDIA Jetson AGX Orin Developer Kit")
    board.program([AGX_ORIN] * 9)
    source = started()
    assert source.rails == ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
    assert source.read() == pytest.approx(4.788 + 0.798 + 3.842)


@pytest.mark.parametrize(
    ("kind", "l4t", "rails"),
    [
        ("jetson-tx2", "32.7.1", ("VDD_IN",)),
        ("jetson-agx-xavier", "35.4.1", ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V")),
        ("jetson-orin-nano", "36.4.3", ("VDD_IN",)),
        ("jetson-agx-orin", "39.2.0", ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")),
    ],
)
def test_on_every_board_its_total_is_read(kind, l4t, rails, tmp_path, monkeypatch):
    emulated = emulated_board(tmp_path, kind=kind, tensorrt=None, cudart=False, programs=["tegrastats"])
    trace = roots.idle_trace(kind, l4t)
    (tmp_path / "tegrastats.json").write_text(json.dumps(trace))
    emulated.use(monkeypatch)
    source = Tegrastats()
    assert (source.unavailable(), source.rails) == ("", rails)
    with Sampler(source) as sampler:
        wait_for(lambda: len(sampler.trace().watts) >= 3)
    total_mw = sum(trace["rails"][rail][0][1] for rail in rails)
    assert set(sampler.trace().watts) == {total_mw / 1000}


def test_a_thor_without_its_input_rail_has_no_total(tmp_path, monkeypatch):
    emulated_board(tmp_path, tensorrt="11.4", cudart=False, programs=["tegrastats"]).use(monkeypatch)
    assert "the parts of a Thor module do not add up" in Tegrastats().unavailable()


def test_a_line_that_does_not_tell_the_total_is_none_and_never_zero(board, started):
    board.program([NANO, NANO, rail("POM_5V_CPU", 5), "garbage", rail("POM_5V_IN", 0), rail("POM_5V_IN", 7)])
    source = started()
    assert [source.read() for _ in range(6)] == [4.531, 4.531, None, None, None, 0.007]


@pytest.mark.parametrize(
    ("model", "lines", "reason"),
    [
        (
            "NVIDIA Jetson Nano 2GB Developer Kit",
            [WITHOUT_RAILS] * 9,
            "a Jetson Nano 2GB has no power sensor",
        ),
        ("NVIDIA Jetson Nano Developer Kit", [WITHOUT_RAILS] * 9, "the meter shows no rails at all"),
        ("NVIDIA Jetson Nano Developer Kit", [AGX_ORIN] * 9, "POM_5V_IN, and the meter shows only"),
        ("NVIDIA Jetson Nano Developer Kit", ["Unknown command"] * 9, "prints no samples"),
    ],
)
def test_where_it_does_not_tell_the_total_it_says_why(board, model, lines, reason):
    board.model(model)
    board.program(lines)
    assert reason in Tegrastats().unavailable()


def test_a_board_that_hides_its_rails_from_users_says_to_try_root(board, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    board.program([WITHOUT_RAILS] * 9)
    assert Tegrastats().unavailable().endswith("(some releases show rails to root alone: try sudo)")


def test_without_the_program_it_says_where_it_looked(board):
    assert Tegrastats().unavailable() == "no tegrastats in /usr/bin, the home folder or PATH"


def test_a_program_that_cannot_be_run_says_so(board):
    board.program([NANO]).chmod(0o644)
    assert "Permission denied" in Tegrastats().unavailable()


def test_a_program_that_ends_at_once_tells_its_status_and_last_words(board):
    board.program(["no such device"], then="sys.exit(4)")
    reason = Tegrastats().unavailable()
    assert reason == "tegrastats ended (exit status 4) after 1 line. It said last: no such device"


def test_a_program_that_is_silent_or_prints_no_lines_is_given_up(board, monkeypatch):
    monkeypatch.setattr("edgeshrink_device.power.tegrastats.PROBE_S", 0.3)
    board.program([])
    assert Tegrastats().unavailable() == "tegrastats has printed nothing for 0.3 s"
    board.program([], first="sys.stdout.write('x' * 100000)\nsys.stdout.flush()")
    monkeypatch.setattr("edgeshrink_device.power.tegrastats.PROBE_S", 10)
    assert "prints no lines" in Tegrastats().unavailable()


def test_a_program_that_dies_in_the_middle_ends_the_trace_with_the_reason(board):
    """The probe takes the first line; every run prints three and ends."""
    board.program([NANO] * 3, then="os.kill(os.getpid(), signal.SIGKILL)")
    source = Tegrastats()
    with Sampler(source) as sampler:
        wait_for(lambda: sampler.trace().failure)
    trace = sampler.trace()
    assert trace.watts == [4.531] * 3
    assert trace.failure == "tegrastats ended (signal 9, SIGKILL) after 3 lines"


def test_a_program_that_hangs_in_the_middle_is_no_repetition_of_its_last_value(board, started, monkeypatch):
    monkeypatch.setattr(process, "SILENT_S", 0.2)
    board.program([NANO])
    source = started()
    assert source.read() == 4.531
    with pytest.raises(DeviceError, match=r"printed nothing for 0\.7 s"):
        source.read()


def test_a_sample_that_was_cut_by_the_end_is_none(board, started):
    board.program([NANO], then="sys.stdout.write('RAM 1/2MB POM_5V_IN 4'); sys.exit(0)")
    source = started()
    assert source.read() == 4.531
    with pytest.raises(DeviceError, match="after 1 line"):
        source.read()


def test_samples_come_with_the_time_of_their_arrival(board):
    board.program([rail("POM_5V_IN", 1000 + i) for i in range(20)], wait_s=0.05)
    with Sampler(Tegrastats()) as sampler:
        wait_for(lambda: len(sampler.trace().watts) >= 10)
    trace = sampler.trace()
    assert trace.watts[:10] == [1 + i / 1000 for i in range(10)]
    assert trace.times_s == sorted(trace.times_s)
    assert trace.times_s[9] - trace.times_s[0] >= 9 * 0.05 * 0.5  # the first few may arrive together
    assert trace.failure == ""
    assert trace.resolution_w == 0.001


def test_stopping_frees_a_read_that_waits_and_ends_what_the_program_started(board, started):
    child = "child = subprocess.Popen(['sleep', '60']); print(child.pid, os.getpid(), flush=True)"
    board.program([NANO, NANO], then=child + "; time.sleep(60)")
    source = started()
    running = source._process
    text = "RAM"
    while "RAM" in text:
        text = running.readline()
    pids = [int(pid) for pid in text.split()]
    ended = []

    def read():
        try:
            source.read()
        except DeviceError as error:
            ended.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.1)
    source.stop()
    thread.join(10)
    assert len(ended) == 1
    for pid in pids:
        wait_for(lambda pid=pid: gone(pid))
    source.stop()


def test_a_program_that_ignores_being_asked_is_killed(board, started):
    board.program([NANO] * 100, first="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    source = started()
    source.read()
    pid = source._process._process.pid
    source.stop()
    assert gone(pid)


def test_it_can_be_started_again(board, started):
    board.program([NANO] * 100)
    source = started()
    assert source.read() == 4.531
    source.stop()
    source.start()
    assert source.read() == 4.531


def test_it_is_found_by_name_and_taken_where_no_meter_is_readable(board):
    board.program([NANO] * 9)
    source, why = power.choose("tegrastats")
    assert (source.name, source.rails, why) == (
        "tegrastats",
        ("POM_5V_IN",),
        "asked for by --power tegrastats",
    )


def test_asked_for_where_there_is_none_is_an_error(board):
    with pytest.raises(DeviceError, match="power source 'tegrastats' cannot be used here: no tegrastats in"):
        power.choose("tegrastats")
