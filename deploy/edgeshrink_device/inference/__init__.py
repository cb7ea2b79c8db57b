"""Running engines: prepared before any time is taken, then run and timed in worker processes.

`preparing.prepare` builds or finds the engines in a process of its own, so that the builder's memory is gone
before anything is measured; `session.Session` runs one. Importing these modules loads neither numpy nor
TensorRT.
"""
