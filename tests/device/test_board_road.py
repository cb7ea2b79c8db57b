"""A real bundle on the emulated board, by its own .pyz: doctor, build, profile; then compare on the host.

Each version of TensorRT has the board and release it comes with; 8.2 has Python 3.6, too.
"""

import json
import os
import shutil

import pytest

from tests.emulated_jetson.board import HERE, board

from .emulated_helpers import VERSIONS
from .helpers import host
from .processes import python36

main = host("edgeshrink.cli").main
plain_cnn = host("tests.models").plain_cnn
torch = host("torch")

QUICK = ("--seconds", "0.05", "--runs", "8", "--launches", "1")
KINDS = {"10.16": "jetson-orin-nano", "11.4": "jetson-orin-nano"}  # JetPack 7 runs on Orin, too
LOAD_MW = 6000


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A bundle as `edgeshrink export` writes it."""
    folder = tmp_path_factory.mktemp("exported")
    network = plain_cnn()
    with torch.no_grad():
        network.conv1.weight[:3] = 0
        network.conv2.weight[::2] = 0
    torch.save(network.state_dict(), folder / "model.pt")
    words = ["export", folder / "model.pt", "--arch", "tests.models:plain_cnn", "--input", "1x1x28x28"]
    words += ["--device", "jetson-nano", "-o", folder / "net.edge"]
    assert main([str(word) for word in words]) == 0
    return folder / "net.edge"


@pytest.fixture
def bundle(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "net.edge")


def on(tmp_path, version, **options):
    """The board, with no device package but the bundle's own."""
    made = board(tmp_path, KINDS.get(version), tensorrt=version, **options)
    folders = made.environment["PYTHONPATH"].split(os.pathsep)
    made.environment["PYTHONPATH"] = os.pathsep.join(each for each in folders if each.startswith(str(HERE)))
    return made


def calls(made, bundle, *words, **options):
    """What a command of the bundle's .pyz prints; it must succeed in silence on stderr."""
    done = made.run(bundle / "edgeshrink-device.pyz", *words, **options)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def profiles(bundle):
    return [
        json.loads((bundle / f"profile-jetson-{name}.json").read_text()) for name in ("baseline", "model")
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_road_is_whole_and_everything_on_it_says_emulated(version, bundle, tmp_path, capfd):
    made = on(tmp_path, version)
    assert calls(made, bundle, "doctor").startswith("EMULATED")
    built = calls(made, bundle, "build", bundle, "--baseline").splitlines()
    assert [line.count(" EMULATED ") for line in built[1:3]] == [1, 1]
    profiled = calls(made, bundle, "profile", bundle, "--device", "jetson", "--load-seconds", "0", *QUICK)
    assert [line.count(" EMULATED ") for line in profiled.splitlines()[1:3]] == [1, 1]
    for document in profiles(bundle):
        assert document["emulated"] is True
        assert document["parity"]["ok"] is True
        assert document["latency_ms"]["gpu"]["median"] > 0
        assert document["device"]["software"]["tensorrt"].startswith(version)
        assert document["memory_bytes"]["engine"] > 0
        assert (document["energy_mj"], bool(document["energy_reason"])) == (None, True)
    capfd.readouterr()
    compared = [str(bundle / f"profile-jetson-{name}.json") for name in ("baseline", "model")]
    assert main(["compare", *compared]) == 0
    assert "Before and after EMULATED" in capfd.readouterr().out
    assert main(["compare", *compared, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["emulated"] is True


@pytest.mark.parametrize("version", ["8.2", "11.4"])
def test_every_document_on_standard_output_says_emulated(version, bundle, tmp_path):
    made = on(tmp_path, version)
    for words in (["doctor"], ["build", bundle], ["profile", bundle, "--device", "jetson", *QUICK]):
        power = ["--power", "none"] if words[0] == "profile" else []
        document = json.loads(calls(made, bundle, *words, *power, "--json"))
        assert all(each["emulated"] for each in document.get("profiles", [document]))


@pytest.mark.parametrize(("kind", "version"), [("jetson-tx2", "8.2"), ("jetson-orin-nx", "10.3")])
def test_a_board_whose_device_tree_does_not_say_jetson_is_one(kind, version, bundle, tmp_path):
    made = board(tmp_path, kind, tensorrt=version)
    words = ["profile", bundle, "--device", "jetson", "--no-baseline", "--power", "none", *QUICK, "--json"]
    document = json.loads(calls(made, bundle, *words))["profiles"][0]
    assert document["emulated"] is True
    assert document["device"]["board"]["name"] == {"8.2": "Jetson TX2", "10.3": "Jetson Orin NX"}[version]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["8.2", "10.3", "11.4"])
def test_energy_is_that_of_the_load_within_its_interval(version, bundle, tmp_path):
    """The meter shows the load while launches follow each other, and scatters by 40 mW of 6 W around it.

    2% for its mean power, as the board falls to idle where the machine under it stops a process for 50 ms;
    3% for idle. Energy per inference is that power times what one inference took in the load; known is what
    it took in the timed runs, and the machine under the board may have been disturbed in either: 10%.
    """
    made = on(tmp_path, version, EMULATED_LOAD_MW=LOAD_MW, EMULATED_LATENCY_MS=5)
    words = [
        "profile",
        bundle,
        "--device",
        "jetson",
        "--seconds",
        "2",
        "--launches",
        "2",
        "--load-seconds",
        "12",
    ]
    calls(made, bundle, *words, timeout=400)
    idle_mw = {"8.2": 1400, "10.3": 4700, "11.4": 4700}[version]
    for document in profiles(bundle):
        energy = document["energy_mj"]
        assert energy is not None, document["energy_reason"]
        assert (energy["source"], document["emulated"]) == ("ina3221", True)
        assert energy["mean_power_w"] == pytest.approx(LOAD_MW / 1000, rel=0.02)
        assert energy["idle_power_w"] == pytest.approx(idle_mw / 1000, rel=0.03)
        latency_ms = document["latency_ms"]["end_to_end"]["mean"]
        for part, power_mw in (("total", LOAD_MW), ("above_idle", LOAD_MW - idle_mw)):
            truth = power_mw * latency_ms / 1000
            low, high = energy[part]["ci95"]
            assert energy[part]["mean"] == pytest.approx(truth, rel=0.1)
            assert low <= 1.1 * truth
            assert high >= 0.9 * truth


@pytest.mark.slow
def test_the_road_is_whole_under_the_python_of_the_boards(python_of_the_boards, bundle, tmp_path):
    made = on(tmp_path, "8.2")
    assert "it can: build engines" in calls(made, bundle, "doctor", python=python_of_the_boards)
    assert " EMULATED " in calls(made, bundle, "build", bundle, python=python_of_the_boards)
    words = ["profile", bundle, "--device", "jetson", "--power", "none", *QUICK]
    calls(made, bundle, *words, python=python_of_the_boards)
    for document in profiles(bundle):
        software = document["device"]["software"]
        assert (software["python"][:3], software["numpy"]) == ("3.6", "1.19.5")
        assert (document["emulated"], document["parity"]["ok"]) == (True, True)


def test_the_boards_python_runs_the_pyz(bundle, tmp_path):
    """A bare Python: without numpy and TensorRT there is less that it can do, and it says so."""
    python, made = python36(), on(tmp_path, "8.2")
    done = made.run(bundle / "edgeshrink-device.pyz", "doctor", "--json", python=python, PYTHONPATH="")
    assert done.stderr == ""
    document = json.loads(done.stdout)
    checks = {check["name"]: check for check in document["checks"]}
    assert document["board"]["jetpack"] == "4.6.1"
    assert checks["Python"]["found"].startswith("3.6.")
    assert checks["power meter"]["status"] == "ok"
    assert not [check for check in document["checks"] if "cannot be looked at" in check["found"]]
    log = tmp_path / "log"
    log.write_text("RAM 1021/3964MB (lfb 412x4MB) CPU [3%@102,2%@102,1%@102,0%@102] POM_5V_IN 1399/1405\n")
    told = json.loads(calls(made, bundle, "tegrastats", log, python=python, PYTHONPATH=""))
    assert told["rails_mw"]["POM_5V_IN"]["cur"] == 1399
