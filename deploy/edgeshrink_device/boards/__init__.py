"""Which Jetson this is, what its chip can, and which rails are the whole of what it draws.

Everything is read below `edgeshrink_device.sysroot`, so a folder can stand in for a board; the answer then
says `emulated`.
"""

import re
from collections import namedtuple

from edgeshrink_device import sysroot
from edgeshrink_device.boards.known import CHIPS, FAMILIES, JETPACKS

__all__ = ["Board", "detect", "jetpack_of", "most_watts", "total_rails"]

Board = namedtuple(
    "Board",
    [
        "model",
        "name",
        "module",
        "chip",
        "sm",
        "fast_fp16",
        "fast_int8",
        "ram_gb",
        "l4t",
        "jetpack",
        "emulated",
    ],
)
Board.__doc__ = """A Jetson board; what is not known is None.

model: the device tree's text; name: its family ("Jetson Nano"), None for one not known here; module: part
number ("p3448-0000"); chip: "tegra210"; sm: compute capability as text ("5.3"); fast_fp16, fast_int8: whether
these run faster than single precision; ram_gb: by part number; l4t: "32.7.1"; jetpack: "4.6.1"; emulated:
whether a stand-in answered.
"""

DEVICE_TREES = ("/proc/device-tree/", "/sys/firmware/devicetree/base/")
CONTAINER_MODEL = "/tmp/nv_jetson_model"  # where scripts that start containers copy the model to
PEAK = 4
PART = re.compile(r"p?(\d{4})[-:](\d{4})")
RELEASE = re.compile(r"#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)")


def detect():
    """The Jetson board this runs on, also from inside a container.

    Returns:
        A `Board`, or None where nothing says that this is a Jetson.
    """
    model, compatible = _tree("model"), _tree("compatible")
    if model is None:
        model = sysroot.read_text(sysroot.path(CONTAINER_MODEL))
    l4t = _l4t_of_file()
    words = " ".join((model or "", compatible or "")).lower()
    if l4t is None and "tegra" not in words and "jetson" not in words:
        return None
    l4t = l4t or _l4t_of_package()
    module, family = _family(model or "", words)
    chip = next((name for name in CHIPS if name in words), family.chip if family else None)
    facts = CHIPS.get(chip)
    return Board(
        model=model or None,
        name=family.name if family else None,
        module=module,
        chip=chip,
        sm=facts.sm if facts else None,
        fast_fp16=facts.fast_fp16 if facts else None,
        fast_int8=facts.fast_int8 if facts else None,
        ram_gb=family.modules.get(module) if family else None,
        l4t=l4t,
        jetpack=jetpack_of(l4t),
        emulated=sysroot.emulated(),
    )


def total_rails(board, names):
    """Which of the rails together are all the board draws.

    Args:
        board: A `Board`, or None.
        names: The rails a meter shows.

    Returns:
        The rails to add, what they cover in words, and None; or (), "" and why there is no such sum.
    """
    if board is None:
        return (), "", "this is no Jetson board"
    family = next((family for family in FAMILIES if family.name == board.name), None)
    if family is None:
        return (), "", "which rail of '{}' is its total is not known".format(board.model or "this board")
    for total in family.totals:
        if set(total) <= set(names):
            return total, family.covers, None
    if not family.totals:
        return (), "", family.no_total
    wanted = " + ".join(family.totals[0])
    why = "; " + family.no_total if family.no_total else ""
    shown = "only {}".format(", ".join(sorted(names))) if names else "no rails at all"
    return (), "", "the total of a {} is {}, and the meter shows {}{}".format(family.name, wanted, shown, why)


def most_watts(board):
    """What its total rails cannot reach, watts; infinite for a board not known here.

    Four times what the highest power mode is made for: without limits (MAXN) a module may draw more than
    that for moments (a TX2 of 15 W is rated for 57 W), and a Nano's 5 V feeds what is plugged into it.

    Args:
        board: A `Board`, or None.
    """
    family = next((family for family in FAMILIES if board and family.name == board.name), None)
    return PEAK * family.mode_w if family else float("inf")


def jetpack_of(l4t):
    """The JetPack an L4T release came with ("32.7.1" gives "4.6.1"); None when it is not known."""
    if l4t is None:
        return None
    return JETPACKS.get(l4t) or JETPACKS.get(l4t + ".0")


def _tree(name):
    """The text of a property of the device tree, its parts separated by spaces."""
    for folder in DEVICE_TREES:
        text = sysroot.read_text(sysroot.path(folder + name))
        if text:
            return text.replace("\0", " ")
    return None


def _l4t_of_file():
    release = RELEASE.search(sysroot.read_text(sysroot.path("/etc/nv_tegra_release")) or "")
    return "{}.{}".format(*release.groups()) if release else None


def _l4t_of_package():
    """The version of the package nvidia-l4t-core ("36.4.4-20250616085344"), where no release file is."""
    status = sysroot.read_text(sysroot.path("/var/lib/dpkg/status")) or ""
    package = re.search(r"^Package: nvidia-l4t-core$(.*?)^$", status + "\n\n", re.MULTILINE | re.DOTALL)
    version = re.search(r"^Version: ([\d.]+)", package.group(1), re.MULTILINE) if package else None
    return version.group(1) if version else None


def _family(model, words):
    """The module's part number and family: by part number, else by the words of the model."""
    text = " ".join(filter(None, [words, _tree("nvidia,dtsfilename"), _tree("nvidia,boardids")]))
    parts = ["p{}-{}".format(*found) for found in PART.findall(text)]
    for part in parts:
        for family in FAMILIES:
            if part in family.modules:
                return part, family
    lowered = model.lower()
    for family in FAMILIES:
        if any(all(word in lowered for word in words) for words in family.words):
            return None, family
    return None, None
