"""A stand-in of PyCUDA on host memory: what a runner of engines needs of it, with PyCUDA's names."""

EMULATED = True
VERSION = (2022, 1)
VERSION_TEXT = "2022.1"
