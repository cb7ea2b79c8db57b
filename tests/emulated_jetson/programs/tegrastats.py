"""A stand-in of tegrastats: replays lines, or prints lines over a synthetic trace of power.

Options as the real program's: --interval MS, --logfile FILE, --start, --stop, --verbose, --help; anything
else, such as --count, is refused. SIGTERM ends it.

EMULATED_TEGRASTATS_LINES       a file of lines to replay, over and over
EMULATED_TEGRASTATS_TRACE       a JSON file, see below
EMULATED_TEGRASTATS_DROPS       numbers of lines (from 1 on) that are not printed, "3,7"
EMULATED_TEGRASTATS_DIES_AFTER  the number of lines after which it ends, with status 1
EMULATED_TEGRASTATS_HANGS_AFTER the number of lines after which it prints nothing more
EMULATED_LOAD_MW                rails are read from the board's meter, see emulated_tensorrt/meter.py
With none of the first two it prints the line of an idle Jetson Nano.

A trace is {"line": "RAM ... {rails}", "rails": {"POM_5V_IN": [[0, 1500], [1, 4000]]}, "unit": "" or "mW",
"peak": false}: a rail's points are (seconds since the start, mW), joined by straight lines, the last one
kept; a {time} in the line becomes the local time.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

IDLE = (
    "RAM 1021/3956MB (lfb 412x4MB) SWAP 0/1978MB (cached 0MB) CPU [3%@102,2%@102,1%@102,0%@102] EMC_FREQ 0%"
    " GR3D_FREQ 0% PLL@26C CPU@28.5C PMIC@100C GPU@27C AO@34C thermal@27.75C {rails}"
)
IDLE_TRACE = {
    "line": IDLE,
    "rails": {"POM_5V_IN": [[0, 1403]], "POM_5V_GPU": [[0, 0]], "POM_5V_CPU": [[0, 125]]},
}
USAGE = """Usage: tegrastats [-option]
Options:
    --help                  : print this help screen
    --interval <millisec>   : sample the information in <milliseconds>
    --logfile  <filename>   : dump the output of tegrastats to <filename>
    --load_cfg <filename>   : load the information from <filename>
    --readall               : collect all stats including performance intensive stats
    --save_cfg <filename>   : save the information to <filename>
    --start                 : run tegrastats as a daemon process in the background
    --stop                  : stop any running instances of tegrastats
    --verbose               : print verbose message"""


def main(words):
    options = read_options(words)
    if options is None:
        return 1
    if "--help" in options:
        print(USAGE)
        return 0
    if "--stop" in options:
        return stop()
    if "--start" in options and daemon():
        return 0
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    out = open(options["--logfile"], "a") if "--logfile" in options else sys.stdout  # noqa: PTH123, SIM115
    return print_lines(out, int(options.get("--interval", 1000)) / 1000)


def read_options(words):
    options, words = {}, list(words)
    while words:
        word = words.pop(0)
        if word in ("--interval", "--logfile", "--load_cfg", "--save_cfg") and words:
            options[word] = words.pop(0)
        elif word in ("--start", "--stop", "--verbose", "--readall", "--help"):
            options[word] = ""
        else:
            print("Unknown command: " + word)
            print(USAGE)
            return None
    return options


def pid_file():
    return Path(os.environ.get("EDGESHRINK_SYSROOT") or "/tmp") / "emulated_tegrastats.pid"


def daemon():
    """Fork; True in the parent. The child lets go of what the parent's caller waits for."""
    child = os.fork()
    if child:
        pid_file().write_text(str(child))
        return True
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    return False


def stop():
    try:
        os.kill(int(pid_file().read_text()), signal.SIGTERM)
        pid_file().unlink()
    except (OSError, ValueError):
        pass
    return 0


def print_lines(out, interval_s):
    """Lines at a fixed rate, as the real one sleeps between them, until it is stopped."""
    line = line_source()
    drops = {int(each) for each in os.environ.get("EMULATED_TEGRASTATS_DROPS", "").split(",") if each}
    dies = int(os.environ.get("EMULATED_TEGRASTATS_DIES_AFTER") or 0)
    hangs = int(os.environ.get("EMULATED_TEGRASTATS_HANGS_AFTER") or 0)
    start, number = time.monotonic(), 0
    while True:
        number += 1
        text = line(time.monotonic() - start)
        if number not in drops and not (hangs and number > hangs):
            try:
                print(text, file=out, flush=True)
            except BrokenPipeError:
                os._exit(1)
        if dies and number >= dies:
            return 1
        if out is not sys.stdout and number > 1 and not out_is_there(out):
            return 0
        time.sleep(max(0.0, start + number * interval_s - time.monotonic()))


def out_is_there(out):
    """Whether the log still has a name: a daemon that nobody stopped ends with the folder it wrote into."""
    return os.fstat(out.fileno()).st_nlink > 0


def line_source():
    """A function from the seconds since the start to a line."""
    replayed = os.environ.get("EMULATED_TEGRASTATS_LINES")
    if replayed:
        lines, at = Path(replayed).read_text().splitlines(), [-1]

        def replay(_):
            at[0] += 1
            return lines[at[0] % len(lines)]

        return replay
    trace = os.environ.get("EMULATED_TEGRASTATS_TRACE")
    return synthetic(json.loads(Path(trace).read_text()) if trace else IDLE_TRACE)


def synthetic(trace):
    """Lines over a trace; the second number of a rail is the mean since the start, the third its peak."""
    sums, peaks, count, unit = {}, {}, [0], trace.get("unit", "")

    def line(now):
        count[0] += 1
        shown = []
        for rail, points in trace["rails"].items():
            power = metered(rail) if os.environ.get("EMULATED_LOAD_MW") else round(between(points, now))
            sums[rail] = sums.get(rail, 0) + power
            peaks[rail] = max(peaks.get(rail, 0), power)
            numbers = [power, sums[rail] // count[0]] + ([peaks[rail]] if trace.get("peak") else [])
            shown.append(rail + " " + "/".join(str(each) + unit for each in numbers))
        text = trace.get("line", IDLE).replace("{time}", time.strftime("%m-%d-%Y %H:%M:%S"))
        return text.replace("{rails}", " ".join(shown))

    return line


def metered(rail):
    """mW that the INA3221 under EDGESHRINK_SYSROOT shows for a rail."""
    root = Path(os.environ["EDGESHRINK_SYSROOT"]) / "sys/bus/i2c/drivers"
    for label in [
        *root.glob("ina3221x/*/iio:device*/rail_name_?"),
        *root.glob("ina3221/*/hwmon/hwmon*/in?_label"),
    ]:
        if label.read_text().strip() != rail:
            continue
        if label.name.startswith("rail_name_"):
            return int(label.with_name(f"in_power{label.name[-1]}_input").read_text())
        number = label.name[2]
        volts, amperes = (
            label.with_name(name + "_input").read_text() for name in ("in" + number, "curr" + number)
        )
        return int(volts) * int(amperes) // 1000
    return 0


def between(points, now):
    before = points[0]
    for point in points:
        if point[0] >= now:
            share = (now - before[0]) / (point[0] - before[0]) if point[0] > before[0] else 0
            return before[1] + share * (point[1] - before[1])
        before = point
    return before[1]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
