"""What the names of nodes tell."""

__all__ = ["module_in_name"]


def module_in_name(name):
    """The module that a node is named after, or None: "layer1/0/conv1/Conv" is layer1.0.conv1.

    In "/layer1/layer1.0/Conv", as torch's older exporter writes it, members bear their list's name.
    """
    words = []
    for word in (name or "").strip("/").split("/")[:-1]:
        if words and word.startswith(words[-1] + "."):
            words.pop()
        words.append(word)
    return ".".join(words) or None
