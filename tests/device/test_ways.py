"""What builds and what runs engines: doctor promises what profile does, whatever a board has and lacks."""

import itertools
import json

import pytest
from edgeshrink_device.inference.ways import Parts, Way, choose

from tests.emulated_jetson.board import board

from .inference_helpers import document, profiled, write_bundle

LOOK = """
import json
from edgeshrink_device.inference import ways
print(json.dumps(ways.choose(ways.look()[0])))
"""
NO_CUDA = "neither PyCUDA nor CUDA's runtime library (libcudart) is found"
NO_DEVICE = """
class Error(Exception):
    pass

def init():
    raise Error("cuInit failed: no CUDA-capable device is detected")
"""
QUICK = ["--launches", "1", "--load-seconds", "0"]


def doctor(made):
    return json.loads(made.device("doctor", "--json").stdout)


def shadow(made, tmp_path, **modules):
    """Put modules, by path, before those of the board."""
    for path, text in modules.items():
        target = tmp_path / "shadow" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    made.environment["PYTHONPATH"] = f"{tmp_path / 'shadow'}:{made.environment['PYTHONPATH']}"


def test_the_module_runs_what_it_built_where_cuda_can_be_called():
    assert choose(Parts("8.2.1.8", None, None)) == Way("python", "python", None)
    assert choose(Parts("8.2.1.8", "8.2.1", None)).run_with == "python"


def test_trtexec_runs_what_the_module_built_only_where_both_are_of_one_version():
    assert choose(Parts("8.2.1.8", "8.2.1", NO_CUDA))[:2] == ("python", "trtexec")
    way = choose(Parts("8.2.1.8", "8.0.1", NO_CUDA))
    assert way[:2] == ("python", None)
    assert way.why.endswith("and trtexec is of TensorRT 8.0.1, the module of 8.2.1.8")


def test_what_trtexec_cannot_tell_is_said_with_what_is_missing():
    for parts, missing in (
        (Parts("10.3.0", "10.3.0", NO_CUDA), NO_CUDA),
        (Parts(None, "10.3.0", None), "TensorRT has no Python module here"),
    ):
        assert choose(parts).why == (
            missing
            + ": trtexec runs the engine, so that no energy is measured and at most 4 samples are checked"
        )


@pytest.mark.parametrize(
    ("bindings", "cudart", "pycuda", "trtexec"), list(itertools.product([True, False], repeat=4))
)
def test_doctor_and_profile_choose_alike_on_every_board(bindings, cudart, pycuda, trtexec, tmp_path):
    made = board(
        tmp_path,
        tensorrt="8.2" if bindings else None,
        cudart=cudart,
        pycuda=pycuda,
        programs=["trtexec"] if trtexec else [],
    )
    built_with, run_with, why = json.loads(made.run("-c", LOOK).stdout)
    told = doctor(made)
    assert told["can"]["build"] is (built_with is not None) is (bindings or trtexec)
    runs = trtexec or (bindings and (cudart or pycuda))
    assert told["can"]["profile_gpu"] is (run_with is not None) is runs
    assert told["ok"] is runs
    if runs:
        assert told["can"]["energy"] is (run_with == "python") is (bindings and (cudart or pycuda))
        assert told["why_not"] == ({} if told["can"]["energy"] else {"energy": why})


def test_without_cuda_trtexec_measures_the_modules_engine_and_says_what_is_lost(tmp_path):
    """Energy was turned off as well: the reason told is the one that no option changes."""
    made = board(tmp_path, cudart=False, programs=["trtexec"])
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(made, bundle, *QUICK)
    assert (done.stderr, done.returncode) == ("", 0)
    told = document(bundle)
    lost = choose(Parts("8.2.1.8", "8.2.1", NO_CUDA)).why
    assert lost in told["warnings"]
    assert "warning: " + lost in done.stdout
    assert told["model"]["engine"]["built_with"] == "python"
    assert told["device"]["through"].startswith("trtexec (")
    assert told["latency_ms"]["gpu"]["n"] > 0
    assert told["parity"]["samples"] == 4
    assert told["energy_mj"] is None
    said = made.device("doctor").stdout
    assert "cannot measure energy: " + lost in said
    assert NO_CUDA in next(line for line in said.splitlines() if line.startswith("warning     CUDA"))


def test_without_cuda_and_trtexec_nothing_is_built_that_could_not_be_measured(tmp_path):
    made = board(tmp_path, cudart=False, programs=[])
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(made, bundle, *QUICK)
    assert done.returncode == 1
    assert done.stderr.startswith("error: " + NO_CUDA + ", and there is no trtexec.\n")
    assert not (bundle / "engines").exists()
    assert doctor(made)["why_not"] == {"profile_gpu": NO_CUDA + ", and there is no trtexec"}


@pytest.mark.parametrize("text", ["raise RuntimeError('broken')", "import os; os.abort()"])
def test_a_broken_module_gives_way_to_trtexec_unless_it_ends_python(text, tmp_path):
    made = board(tmp_path)
    shadow(made, tmp_path, **{"tensorrt/__init__.py": text})
    bundle = write_bundle(tmp_path / "b.edge", baseline=False)
    done = profiled(made, bundle, *QUICK)
    can = doctor(made)["can"]
    works = "raise" in text
    assert (done.returncode == 0) is can["profile_gpu"] is can["build"] is works


def test_a_pycuda_that_finds_no_gpu_gives_way(tmp_path):
    made = board(tmp_path, cudart=False, pycuda=True, programs=["trtexec"])
    shadow(made, tmp_path, **{"pycuda/__init__.py": "", "pycuda/driver.py": NO_DEVICE})
    told = doctor(made)
    assert json.loads(made.run("-c", LOOK).stdout)[1] == "trtexec"
    assert told["can"]["profile_gpu"]
    assert not told["can"]["energy"]
