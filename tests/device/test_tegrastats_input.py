"""What `tegrastats` reads where no FILE is named, and how what a stand-in prints is marked."""

import csv
import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys

import pytest

from tests.emulated_jetson.board import board

from . import processes
from .tegrastats_lines import LINES, write_program

LINE = LINES[1]
USED_MB, OTHERS_MB = 534, 7
OTHER = f"RAM {OTHERS_MB}/9MB\n"


def command(*words):
    return [sys.executable, "-m", "edgeshrink_device", "tegrastats", *words]


@pytest.fixture
def environment(tmp_path):
    """Of a machine that is no emulated board, with a tegrastats in PATH that prints LINE and waits."""
    path = write_program(tmp_path / "bin" / "tegrastats", [LINE])
    return dict(os.environ, PATH=str(path.parent), HOME=str(tmp_path))


def first_of(environment, stdin, *words):
    """The first record and what was said on stderr, of a call that reads `stdin`."""
    with processes.start(*command(*words), stdin=stdin, env=environment) as process:
        record = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        return record, process.stderr.read()


def fed_by_a_pipe():
    reading, writing = os.pipe()
    os.write(writing, OTHER.encode())
    return reading, writing


def test_what_is_piped_in_is_read_and_that_is_said(environment):
    reading, writing = fed_by_a_pipe()
    record, said = first_of(environment, reading)
    assert record["ram_used_mb"] == OTHERS_MB
    assert said == "note: reading stdin; --interval 1000 reads this board's tegrastats\n"
    assert "emulated" not in record
    os.close(reading)
    os.close(writing)


def test_a_file_on_stdin_is_read(environment, tmp_path):
    (tmp_path / "log").write_text(OTHER)
    with (tmp_path / "log").open() as log:
        done = processes.run(*command(), stdin=log, env=environment)
    assert json.loads(done.stdout)["ram_used_mb"] == OTHERS_MB
    assert done.returncode == 0


@pytest.mark.parametrize("kind", ["nothing", "terminal", "socket of ssh"])
def test_the_boards_own_is_read_where_nobody_feeds_it(kind, environment):
    pair = socket.socketpair()
    leader, terminal = pty.openpty()
    stdin = {"nothing": subprocess.DEVNULL, "terminal": terminal, "socket of ssh": pair[0].fileno()}[kind]
    record, said = first_of(environment, stdin)
    assert (record["ram_used_mb"], said) == (USED_MB, "")
    for end in pair:
        end.close()
    os.close(leader)
    os.close(terminal)


def test_an_interval_asks_for_the_boards_own_whatever_stdin_is(environment):
    reading, writing = fed_by_a_pipe()
    record, said = first_of(environment, reading, "--interval", "20")
    assert (record["ram_used_mb"], said) == (USED_MB, "")
    os.close(reading)
    os.close(writing)


def test_a_dash_reads_a_socket_as_well(environment):
    near, far = socket.socketpair()
    far.sendall(OTHER.encode())
    record, said = first_of(environment, near.fileno(), "-")
    assert (record["ram_used_mb"], said) == (OTHERS_MB, "")
    near.close()
    far.close()


def test_an_empty_pipe_is_told_how_the_boards_own_is_read(environment):
    done = processes.run(*command(), input="", env=environment)
    assert done.returncode == 1
    assert done.stderr.endswith("It is empty. For this board's own tegrastats add --interval 1000.\n")


def test_a_closed_stdin_is_nobodys(environment):
    shell = f"exec {sys.executable} -m edgeshrink_device tegrastats <&-"
    with processes.start("/bin/sh", "-c", shell, env=environment) as process:
        assert json.loads(process.stdout.readline())["ram_used_mb"] == USED_MB
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("stand_in", [True, False])
def test_every_object_of_the_boards_own_says_whether_a_stand_in_printed_it(stand_in, environment, tmp_path):
    made = board(tmp_path, cudart=False) if stand_in else None
    where = dict(made.environment) if made else environment
    record, _ = first_of(where, subprocess.DEVNULL, "--interval", "20")
    assert record["emulated"] is stand_in


def test_a_line_that_cannot_be_read_is_marked_too(environment, tmp_path):
    write_program(tmp_path / "bin" / "tegrastats", ["no line of it", LINE], then="sys.exit(0)")
    done = processes.run(*command("--interval", "20"), env=environment, stdin=subprocess.DEVNULL)
    assert [json.loads(line)["emulated"] for line in done.stdout.splitlines()] == [False, False]


@pytest.mark.parametrize("stand_in", [True, False])
def test_the_table_of_the_boards_own_has_a_column_that_says_so(stand_in, environment, tmp_path):
    made = board(tmp_path, cudart=False) if stand_in else None
    where = dict(made.environment) if made else environment
    words = command("--csv", "--interval", "20")
    with processes.start(*words, stdin=subprocess.DEVNULL, env=where) as process:
        text = process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
    row = next(csv.DictReader(io.StringIO(text)))
    assert next(iter(row)) == "emulated"
    assert row["emulated"] == ("true" if stand_in else "false")


def test_a_log_says_nothing_of_who_printed_it(tmp_path):
    (tmp_path / "log").write_text(OTHER)
    made = board(tmp_path, cudart=False)
    done = made.device("tegrastats", tmp_path / "log")
    assert "emulated" not in json.loads(done.stdout)
    assert not made.device("tegrastats", tmp_path / "log", "--csv").stdout.startswith("emulated")
