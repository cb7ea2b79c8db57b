"""`make benchmark`: every benchmark in turn, one table each."""

from __future__ import annotations

from tests.benchmarks import baking, export_overhead, loading, profiler_agreement, startup, tegrastats

if __name__ == "__main__":
    for benchmark in (startup, loading, baking, profiler_agreement, export_overhead, tegrastats):
        benchmark.main()
