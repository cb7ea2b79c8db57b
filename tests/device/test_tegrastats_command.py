import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from edgeshrink_device import main
from edgeshrink_device.tegrastats import parse_line

from . import processes
from .processes import gone, wait_for
from .tegrastats_lines import LINES, write_program

NANO = LINES[1]
ENVIRONMENT = dict(os.environ)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "tegrastats.log"
    path.write_text("".join(line + "\n" for line in LINES))
    return str(path)


def command(*words):
    return [sys.executable, "-m", "edgeshrink_device", "tegrastats", *words]


def run(*words, **options):
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return processes.run(*command(*words), env=ENVIRONMENT, **options)


def start(*words, **options):
    return processes.start(*command(*words), stdin=subprocess.PIPE, env=ENVIRONMENT, **options)


def install(monkeypatch, tmp_path, lines=(NANO,), then="time.sleep(60)"):
    """A stand-in for the board's program, alone in PATH and home."""
    path = write_program(tmp_path / "bin" / "tegrastats", lines, then)
    monkeypatch.setitem(ENVIRONMENT, "PATH", str(path.parent))
    monkeypatch.setitem(ENVIRONMENT, "HOME", str(tmp_path))
    return path


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_log_becomes_one_json_object_a_line(log):
    done = run(log)
    assert (done.stderr, done.returncode) == ("", 0)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [parse_line(line) for line in LINES]
    assert run(log, "--json").stdout == done.stdout


def test_stdin_is_read_with_a_dash():
    done = run("-", input=NANO + "\n\nUnknown command: --count\n")
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["rails_mw"]["POM_5V_IN"] == {"cur": 1022, "avg": 1022, "peak": None}
    assert second["line"] == "Unknown command: --count"
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_table_of_a_log_has_a_column_for_whatever_any_line_has(log):
    done = run(log, "--csv")
    assert (done.stderr, done.returncode) == ("", 0)
    table = rows(done.stdout)
    assert len(table) == len(LINES)
    for row, line in zip(table, LINES):
        record = parse_line(line)
        assert row["error"] == record.get("error", "")
        if "error" not in record:
            filled = {name: int(row[f"{name}_cur_mw"]) for name in record["rails_mw"] or {}}
            assert filled == {name: rail["cur"] for name, rail in (record["rails_mw"] or {}).items()}
            assert row["gpu_percent"] == ("" if record["gpu_percent"] is None else str(record["gpu_percent"]))


def test_a_log_on_stdin_gives_the_table_of_the_file(log):
    with Path(log).open() as file:
        done = run("-", "--csv", stdin=file)
    assert done.stdout == run(log, "--csv").stdout


def test_a_table_leaves_empty_what_a_line_does_not_tell(capsys, tmp_path):
    path = tmp_path / "log"
    path.write_text("RAM 1/2MB CPU [3%@102,off] VIC off tj@40C\nRAM 1/2MB EMC_FREQ 0% NVENC 79%@166 x\n")
    assert main(["tegrastats", str(path), "--csv"]) == 0
    first, second = rows(capsys.readouterr().out)
    assert (first["cpu0_percent"], first["cpu0_mhz"], first["temp_tj_c"]) == ("3", "102", "40.0")
    assert (second["cpu0_percent"], second["emc_percent"], second["temp_tj_c"]) == ("", "", "")
    assert (second["NVENC_percent"], second["NVENC_mhz"], second["unread"]) == ("79", "166", "x")
    assert "cpu1_percent" not in first


def test_the_table_of_a_stream_keeps_the_columns_of_its_first_sample_and_says_what_does_not_fit():
    text = "starting\nRAM 1/2MB VDD_IN 5/5\nRAM 3/4MB VDD_IN 6/6 VDD_SOC 7/7\nRAM 5/6MB VDD_SOC 8/8\n"
    done = run("-", "--csv", input=text)
    assert [row["VDD_IN_cur_mw"] for row in rows(done.stdout)] == ["5", "6", ""]
    assert "VDD_SOC" not in done.stdout
    assert done.stderr.count("note: VDD_SOC_cur_mw was not in the first sample") == 1
    assert "before the first sample: no 'RAM used/totalMB'" in done.stderr


def test_a_last_line_without_its_end_is_told_since_it_may_be_cut(capsys, tmp_path):
    path = tmp_path / "log"
    path.write_text("RAM 1/2MB VDD_IN 5297/52")
    assert main(["tegrastats", str(path)]) == 0
    assert "may be cut short" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["missing.log"], 2, "missing.log: cannot be read: No such file or directory"),
        (["."], 2, ".: cannot be read: Is a directory"),
        (["missing.log", "--interval", "100"], 2, "--interval is that of this board's tegrastats"),
        (["--interval", "1"], 2, "--interval 1: tegrastats takes whole milliseconds from 10"),
        (["--interval", "99999999999999"], 2, "86400000 is a day"),
        (["a", "--csv", "--json"], 2, "not allowed with argument"),
    ],
)
def test_wrong_calls_say_what_is_wrong(capsys, words, status, message):
    assert main(["tegrastats", *words]) == status
    assert message in capsys.readouterr().err


def test_a_file_without_one_readable_line_fails_but_is_printed(capsys, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    assert main(["tegrastats", str(path)]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["line"] == "hello"
    assert told.err == f"error: {path}: no line of tegrastats in it.\n"
    path.write_text("")
    assert main(["tegrastats", str(path), "--csv"]) == 1
    assert "It is empty." in capsys.readouterr().err


def test_a_stream_is_passed_on_line_by_line():
    with start("-") as process:
        for number in range(3):
            process.stdin.write(f"RAM {number}/9MB\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["ram_used_mb"] == number
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_reader_that_has_enough_ends_it_without_a_word(log, form):
    with start(log, form) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(30)) == ("", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which is as a disk that is full")
def test_a_disk_that_is_full_is_told(log):
    with Path("/dev/full").open("w") as full:
        done = run(log, stdout=full)
    assert done.stderr == "error: what was printed cannot be written: No space left on device.\n"
    assert done.returncode == 1


def test_ctrl_c_ends_a_stream_without_a_word_and_loses_nothing():
    with start("-") as process:
        process.stdin.write("RAM 1/2MB\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["ram_used_mb"] == 1
        process.send_signal(signal.SIGINT)
        assert (process.stderr.read(), process.wait(30)) == ("", 130)


def test_a_summary_goes_to_a_terminal_alone(log):
    terminal, mine = pty.openpty()
    with subprocess.Popen(command(log), stdout=subprocess.DEVNULL, stderr=mine, env=ENVIRONMENT) as process:
        assert process.wait(60) == 0
    os.close(mine)
    assert f"{len(LINES)} lines, 3 of them not readable" in os.read(terminal, 4096).decode()
    os.close(terminal)


def test_without_a_file_the_boards_own_program_is_run_until_ctrl_c(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, [NANO] * 1000)
    with start("--interval", "20") as process:
        for _ in range(3):
            assert json.loads(process.stdout.readline())["ram_used_mb"] == 534
        process.send_signal(signal.SIGINT)
        assert (process.stderr.read(), process.wait(30)) == ("", 130)


def test_a_board_whose_program_ends_is_an_error_after_what_it_printed(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, [NANO, "out of order"], then="sys.exit(3)")
    done = run("--interval", "20")
    assert [json.loads(line).get("ram_used_mb") for line in done.stdout.splitlines()] == [534, None]
    assert done.returncode == 1
    assert done.stderr == (
        "error: tegrastats ended (exit status 3) after 2 lines.\nIt said last: out of order\n"
    )


def test_without_a_file_and_without_a_board_the_error_says_what_to_give(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path).unlink()
    done = run()
    assert done.returncode == 2
    assert "this is no Jetson.\nGive a log of tegrastats, or -" in done.stderr
    tree = tmp_path / "root" / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_text("NVIDIA Jetson Nano Developer Kit")
    monkeypatch.setitem(ENVIRONMENT, "EDGESHRINK_SYSROOT", str(tmp_path / "root"))
    assert "a container shows the board's own only where" in run().stderr


def test_the_boards_program_dies_with_us_even_when_we_are_killed(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, then="print(os.getpid(), flush=True); time.sleep(60)")
    with start("--interval", "20") as process:
        process.stdout.readline()
        pid = int(json.loads(process.stdout.readline())["line"])
        assert not gone(pid)
        process.kill()
    wait_for(lambda: gone(pid))


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_long_stream_takes_less_than_40_mb(form):
    """The peak of the process itself (VmHWM), read while it still waits for more."""
    with subprocess.Popen(
        command("-", form),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    ) as process:
        process.stdin.write(("\n".join(LINES[2:40]) + "\n").encode() * 100)
        process.stdin.flush()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdin.close()
        assert process.wait(60) == 0
    peak_kb = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kb < 40 * 1024


@pytest.mark.slow
def test_a_day_of_lines_is_read_whole(tmp_path):
    path = tmp_path / "day.log"
    path.write_text("".join(LINES[number % len(LINES)] + "\n" for number in range(86400)))
    done = run(path)
    assert (done.stdout.count("\n"), done.stderr, done.returncode) == (86400, "", 0)
