"""A tegrastats line as a dict. What a line does not tell is None, never 0."""

import re
from functools import lru_cache

from edgeshrink_device.tegrastats.grammar import HEAD, ISO_TIME, TOKEN

__all__ = ["KEYS", "LONGEST_LINE", "parse_line"]

LONGEST_LINE = 16384  # characters; the longest real lines have about 1,000
ECHO = 500  # characters of a longer line that its error repeats
POWERED_OFF_C = -200.0  # a zone whose power domain is off reads -256
UNKNOWN = "no rule knows it"
SECOND_SAMPLE = "two samples in one line"
NO_ROOT = "printed without a clock: without root this tegrastats shows 0% whatever the load"

# `NAME 115` is an engine's clock only where the name is known to be an engine's: it may be half a rail.
ENGINE = re.compile(r"(?:MSENC|NVENC|NVDEC|NVJPG|NVDLA|VIC|VDE|OFA|PVA|AVP|SE|TSEC|ISP|VI|NVCSI)\d{0,2}\Z")

KEYS = (
    "timestamp",
    "ram_used_mb",
    "ram_total_mb",
    "lfb_blocks",
    "lfb_block_mb",
    "swap_used_mb",
    "swap_total_mb",
    "swap_cached_mb",
    "iram_used_kb",
    "iram_total_kb",
    "iram_lfb_kb",
    "cpu",
    "emc_percent",
    "emc_percent_reason",
    "emc_mhz",
    "gpu_percent",
    "gpu_percent_reason",
    "gpu_mhz",
    "engines",
    "ape_mhz",
    "mts",
    "edp_limit",
    "temps_c",
    "temps_max_c",
    "rails_mw",
    "rails_mw_reason",
    "unread",
)


def parse_line(text):
    """Read one line of tegrastats, of any release from L4T R21 to R39.

    Args:
        text: The line, with or without its end.

    Returns:
        A dict with all of `KEYS`, None wherever the line tells nothing:

        - `timestamp`: "YYYY-MM-DDTHH:MM:SS", the board's local time; where the line has none (before R34), an
          ISO time that a logger wrote before it.
        - `ram_*`, `swap_*` in MB, `iram_*` in kB; `lfb_blocks` free blocks of `lfb_block_mb` each, the
          largest there are (0.5 for 512 kB).
        - `cpu`: a list of {"percent", "mhz"} a core, None for a core that is off.
        - `emc_percent`: memory bandwidth in use, of what `emc_mhz` gives.
        - `gpu_percent`: of the present clock; `gpu_mhz`: a list, one clock a GPC as printed.
        - `engines`: {name without _FREQ: {"percent", "mhz"}, or None for off}.
        - `ape_mhz`: the audio engine's clock; `mts`: {"fg_percent", "bg_percent"} of Denver and Carmel cores;
          `edp_limit`: the old "EDP limit", as printed.
        - `temps_c`: {zone: degrees Celsius} without PMIC, a constant on every board, and without zones that
          are powered off; `temps_max_c`: their highest so far, printed since R39.
        - `rails_mw`: {rail: {"cur", "avg", "peak"}} in mW without the unconnected NC. `avg` is the mean of
          all samples since that tegrastats started, no moving one; `peak` is printed since R39.
        - `unread`: pieces of the line that no rule knows.
        - `*_reason`: why its value is None. `EMC_FREQ 0% GR3D_FREQ 0%`, both without a clock, is what R32 to
          R35 print without root and no measurement. R36 then leaves EMC out and its GR3D_FREQ is a real one.

        A name that a line has twice is kept as `name#2`. A line that is not one whole sample gives
        {"error": why, "line": the line} instead; nothing is raised.
    """
    line = text.replace("\0", " ").strip()
    if len(line) > LONGEST_LINE:
        return _unreadable("longer than any line of tegrastats", line[:ECHO] + "...")
    head = HEAD.search(line)
    if head is None:
        return _unreadable("no 'RAM used/totalMB': no line of tegrastats, or its head is missing", line)
    record = dict.fromkeys(KEYS)
    record["unread"] = []
    _read_head(record, head, line)
    unread_end = None
    for token in TOKEN.finditer(line, head.end()):
        problem = READERS[token.lastgroup](record, *token.group(1, token.lastindex))
        if problem is SECOND_SAMPLE:
            return _unreadable(SECOND_SAMPLE, line)
        if problem:
            _keep_unread(record["unread"], token, joined=unread_end == token.start() - 1)
            unread_end = token.end()
    _explain(record)
    return record


def _unreadable(reason, line):
    return {"error": reason, "line": line}


def _read_head(record, head, line):
    month, day, year, clock, used, total, blocks, size, unit = head.groups()
    before = line[: head.start()]
    if year:
        record["timestamp"] = "{}-{}-{}T{}".format(year, month, day, clock)
    elif before:
        stamp = ISO_TIME.search(before)
        if stamp:
            record["timestamp"] = "{}T{}".format(*stamp.groups())
            before = before[: stamp.start()] + before[stamp.end() :]
    if before and any(char.isalnum() for char in before):
        record["unread"].append(before.strip())
    record["ram_used_mb"], record["ram_total_mb"] = int(used), int(total)
    if blocks:
        record["lfb_blocks"] = int(blocks)
        record["lfb_block_mb"] = int(size) if unit == "M" else int(size) / 1024


def _keep_unread(unread, token, joined):
    """Words side by side that no rule knows are one piece."""
    if joined and unread:
        unread[-1] += " " + token.group()
    else:
        unread.append(token.group())


# One reader a form of value. Each returns None, or UNKNOWN when the name makes no sense with that form.


def _read_temperature(record, zone, value):
    now, _, highest = value[:-1].partition("C/")
    celsius = float(now)
    if celsius <= POWERED_OFF_C or zone.upper() == "PMIC":
        return
    _put(record, "temps_c", zone, celsius)
    if highest and float(highest) > POWERED_OFF_C:
        _put(record, "temps_max_c", zone, float(highest))


def _read_rail(record, rail, value):
    if rail == "NC":
        return
    numbers = [int(number) for number in value.replace("mW", "").split("/")]
    cur, avg, peak = numbers + [None] * (3 - len(numbers))
    _put(record, "rails_mw", rail, {"cur": cur, "avg": avg, "peak": peak})


def _read_cores(record, name, value):
    if name not in ("CPU", "cpu"):
        return UNKNOWN
    cores, _, shared = value[1:].partition("]")
    found = [_core(core) for core in cores.split(",")]
    clock = _number(shared[1:])
    record["cpu"] = [core and {"percent": core[0], "mhz": core[1] or clock} for core in found]
    return None


@lru_cache(maxsize=4096)
def _core(text):
    """(percent, MHz or None), None for off. The same few texts come again in every line."""
    percent, _, mhz = text.strip().partition("%")
    return None if percent == "off" else (int(percent), _number(mhz[1:]))


def _read_use(record, name, value):
    """Load and clock of the GPU, the memory controller or an engine."""
    load, _, clock = value.partition("@")
    percent, name = _number(load[:-1]), _without_freq(name)
    if name == "GR3D":
        record["gpu_percent"] = percent
        record["gpu_mhz"] = [int(one) for one in clock.strip("[]").split(",")] if clock else None
    elif "[" in clock:
        return UNKNOWN
    elif name == "EMC":
        record["emc_percent"], record["emc_mhz"] = percent, _number(clock)
    else:
        _put(record, "engines", name, {"percent": percent, "mhz": _number(clock)})
    return None


def _read_off(record, name, value):
    _put(record, "engines", _without_freq(name), None)


def _read_plain(record, name, value):
    if name == "APE":
        record["ape_mhz"] = int(value)
    elif name.endswith("_FREQ") or ENGINE.match(name):
        _put(record, "engines", _without_freq(name), {"percent": None, "mhz": int(value)})
    else:
        return UNKNOWN
    return None


def _read_memory(record, name, value):
    if name == "RAM":
        return SECOND_SAMPLE
    if name not in ("SWAP", "IRAM"):
        return UNKNOWN
    used, total, extra = [*_whole_numbers(value), None][:3]
    if name == "SWAP":
        record["swap_used_mb"], record["swap_total_mb"], record["swap_cached_mb"] = used, total, extra
    else:
        record["iram_used_kb"], record["iram_total_kb"], record["iram_lfb_kb"] = used, total, extra
    return None


def _read_words(record, name, value):
    numbers = _whole_numbers(value)
    if name == "MTS" and len(numbers) == 2:
        record["mts"] = {"fg_percent": numbers[0], "bg_percent": numbers[1]}
    elif name == "EDP" and len(numbers) == 1:
        record["edp_limit"] = numbers[0]
    else:
        return UNKNOWN
    return None


def _read_other(record, name, value):
    return UNKNOWN


READERS = {
    "temperature": _read_temperature,
    "rail": _read_rail,
    "off": _read_off,
    "use": _read_use,
    "plain": _read_plain,
    "cores": _read_cores,
    "memory": _read_memory,
    "words": _read_words,
    "other": _read_other,
}


def _number(text):
    return int(text) if text else None


def _whole_numbers(text):
    return [int(number) for number in re.findall(r"[0-9]+", text)]


def _without_freq(name):
    return name[: -len("_FREQ")] if name.endswith("_FREQ") else name


def _put(record, key, name, value):
    """Keep `value` under the name, or under `name#2` where the line had it before."""
    entries = record[key]
    if entries is None:
        entries = record[key] = {}
    elif name in entries:
        number = 2
        while "{}#{}".format(name, number) in entries:
            number += 1
        name = "{}#{}".format(name, number)
    entries[name] = value


def _explain(record):
    """Turn zeros that are no measurement into None, and say why what is None is None."""
    rootless = record["emc_percent"] == 0 and record["emc_mhz"] is None
    if rootless:
        record["emc_percent"] = None
        if record["gpu_percent"] == 0 and record["gpu_mhz"] is None:
            record["gpu_percent"] = None
            _forget_second_gpu(record)
    if record["emc_percent"] is None:
        record["emc_percent_reason"] = NO_ROOT if rootless else "the line has no EMC_FREQ with a load"
    if record["gpu_percent"] is None:
        record["gpu_percent_reason"] = _no_gpu_load(record, rootless)
    if record["rails_mw"] is None:
        record["rails_mw_reason"] = "the line has no rails"


def _forget_second_gpu(record):
    """`GR3D2_FREQ 0%@0` beside a GR3D_FREQ that tells nothing tells nothing either."""
    engines = record["engines"]
    if engines and engines.get("GR3D2") == {"percent": 0, "mhz": 0}:
        del engines["GR3D2"]
        record["engines"] = engines or None


def _no_gpu_load(record, rootless):
    if record["gpu_mhz"] is not None:
        return "this tegrastats prints the GPU's clocks and no load"
    return NO_ROOT if rootless else "the line has no GR3D_FREQ"
