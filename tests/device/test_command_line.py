import io
import json
import sys
import zipfile
from pathlib import Path

import edgeshrink_device
from edgeshrink_device.bar import Bar
from edgeshrink_device.registry import Registry

from . import processes
from .helpers import QUICK_WORDS, write_bundle, write_null

PACKAGE = Path(edgeshrink_device.__file__).parent


def run(*words, **options):
    return processes.run(sys.executable, *words, **options)


def test_importing_the_package_loads_no_numpy_no_runtime_no_torch_and_not_edgeshrink():
    heavy = {"numpy", "onnxruntime", "torch", "edgeshrink"}
    code = f"import edgeshrink_device, sys; print(sorted({heavy} & set(sys.modules)))"
    assert run("-c", code).stdout == "[]\n"


def test_help_and_version_succeed(capsys):
    assert edgeshrink_device.main(["--help"]) == 0
    assert edgeshrink_device.main(["profile", "--help"]) == 0
    assert "BUNDLE|MODEL.onnx" in capsys.readouterr().out
    assert edgeshrink_device.main(["--version"]) == 0
    assert capsys.readouterr().out == edgeshrink_device.__version__ + "\n"


def test_the_help_says_the_name_it_was_called_by(capsys):
    edgeshrink_device.main(["profile", "--help"], prog="edgeshrink")
    assert capsys.readouterr().out.startswith("usage: edgeshrink profile")


def test_one_file_holds_the_whole_profiler(tmp_path):
    pyz = tmp_path / "edgeshrink-device.pyz"
    with zipfile.ZipFile(pyz, "w") as archive:
        archive.write(PACKAGE / "__main__.py", "__main__.py")
        for source in PACKAGE.rglob("*.py"):
            text = source.read_text().replace(edgeshrink_device.__version__, "9.9.9")
            archive.writestr(f"edgeshrink_device/{source.relative_to(PACKAGE)}", text)
    model = write_null(tmp_path / "m.null")
    words = [pyz.name, "profile", model, "--device", "null", "-o", "out.json", *QUICK_WORDS]
    done = run("-S", "-c", SITELESS, *words, cwd=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["model"]["name"] == "m.null"
    assert document["device"]["software"]["edgeshrink_device"] == "9.9.9"


# Runs the .pyz where edgeshrink_device is not installed: only numpy's own folder is on the path.
SITELESS = f"""
import os, runpy, sys
sys.path.append({str(Path(sys.modules["numpy"].__file__).parents[1])!r})
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_bundle_is_profiled_from_inside_by_the_module(tmp_path):
    write_bundle(tmp_path / "b.edge")
    done = run("-m", "edgeshrink_device", "profile", ".", *QUICK_WORDS, cwd=tmp_path / "b.edge")
    assert (done.stderr, done.returncode) == ("", 0)
    assert (tmp_path / "b.edge" / "profile-cpu-model.json").exists()


def test_modules_beside_the_caller_never_stand_in_for_the_real_ones(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    model = write_null(tmp_path / "m.null")
    code = "import sys; sys.path.pop(0); from edgeshrink_device import main; sys.exit(main(sys.argv[1:]))"
    words = ["profile", model, "--device", "null", *QUICK_WORDS]
    assert run("-c", code, *words, cwd=tmp_path).returncode == 0


def test_the_bar_draws_on_a_terminal_and_clears_itself():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Bar(stream) as bar:
        bar("m.onnx", "measure", 0.5)
    drawn = stream.getvalue()
    assert "[###############...............]  50% measure m.onnx" in drawn
    assert drawn.endswith(" \r")


def test_the_bar_is_silent_in_a_pipe():
    stream = io.StringIO()
    with Bar(stream) as bar:
        bar("m.onnx", "measure", 0.5)
    assert stream.getvalue() == ""


def test_hidden_entries_are_found_but_not_listed():
    registry = Registry("device", "edgeshrink_device.runners")
    registry._discovered = True
    registry.register("seen")(type("Seen", (), {}))
    registry.register("unseen")(type("Unseen", (), {"hidden": True}))
    assert registry.names() == ["seen"]
    assert registry.get("unseen").name == "unseen"
