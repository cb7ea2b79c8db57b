"""What holds for a measurement beside its figures: where, at which sizes, how checked, what to beware of."""

from edgeshrink_device.text import megabytes, model_name, number, sizes, told_once

__all__ = ["notes"]


def notes(profiles):
    """Lines; what holds for all models is said once, and all else with the model's name."""
    return [
        _place(profiles[0]["device"], any(profile["emulated"] for profile in profiles)),
        *_said(profiles, _shapes),
        *_said(profiles, _throughput, figures=True),
        *_said(profiles, _engine, figures=True),
        *_said(profiles, _energy),
        *_said(profiles, _parity, figures=True),
        *_said(profiles, _no_layers),
        *("warning: " + line for line in _said(profiles, lambda profile: profile["warnings"])),
    ]


def _said(profiles, tell, figures=False):
    """The texts that `tell` gives of each profile, in order, each once; figures that are none say so."""
    found = told_once([(model_name(profile), tell(profile)) for profile in profiles])
    all_are = "EMULATED" if figures and any(profile["emulated"] for profile in profiles) else ""
    return [": ".join(filter(None, (names or all_are, text))) for names, text in found]


def _place(device, emulated):
    """The part of the machine that ran the models first: a board has two."""
    threads = ", {} thread{}".format(device["threads"], "" if device["threads"] == 1 else "s")
    on_gpu, name = device["kind"] == "gpu", device["name"] + (" EMULATED" if emulated else "")
    if device["board"]:
        where = "on the {} of {}".format("GPU" if on_gpu else "CPU", name)
    else:
        where = "on {}{}".format("a GPU beside " if on_gpu else "", name)
    return "{}{}, {}".format(where, "" if on_gpu else threads, _versions(device))


def _versions(device):
    software = device["software"]
    return ", ".join("{} {}".format(name, software[name]) for name in sorted(software) if software[name])


def _shapes(profile):
    batch, at = profile["model"]["batch"], "at " + sizes(profile["model"]["shapes"])
    return [at if batch == 1 else "{}; an inference is one launch, of batch {}".format(at, batch)]


def _throughput(profile):
    samples = profile["throughput_samples_per_s"]
    if samples is None or profile["model"]["batch"] == 1:
        return []
    return ["{} samples/s in {} inferences/s".format(number(samples), number(profile["throughput_per_s"]))]


def _engine(profile):
    model, memory, device = profile["model"], profile["memory_bytes"], profile["device"]
    if not model.get("engine"):
        return []
    context = memory["context"]
    return [
        "engine of {}{}, {}, through {}{}".format(
            megabytes(memory["engine"]),
            "" if context is None else " and {} of working memory".format(megabytes(context)),
            model["precision"],
            device["through"],
            ", as a CUDA graph" if device["cuda_graph"] else "",
        )
    ]


def _energy(profile):
    energy = profile["energy_mj"]
    if energy is None:
        return ["energy not measured: {}".format(profile["energy_reason"])]
    meter = "power: {} reads {}: {}".format(energy["source"], " + ".join(energy["rails"]), energy["covers"])
    if energy["above_idle"] is None:
        return ["energy above idle not told: {}".format(energy["above_idle_reason"]), meter]
    return [meter]


def _parity(profile):
    parity = profile["parity"]
    if parity is None:
        return ["parity not checked: {}".format(profile["parity_reason"])]
    if not parity["ok"]:
        return []
    return [
        "parity: outputs as expected on {} samples (largest difference {:.2g}, allowed {:.2g})".format(
            parity["samples"], parity["max_abs_error"], parity["max_abs_allowed"]
        )
    ]


def _no_layers(profile):
    """A GPU's layers are looked for; a CPU's are never taken."""
    if profile["layers"] or profile["device"]["kind"] != "gpu":
        return []
    return ["times of layers not told: {}".format(profile["layers_reason"])]
