"""`make benchmark`: every benchmark in turn, one table each."""

from __future__ import annotations

from tests.benchmarks import (
    baking,
    export_overhead,
    footprint,
    loading,
    power_sampling,
    profiler_agreement,
    startup,
    tegrastats,
)

if __name__ == "__main__":
    for benchmark in (
        startup,
        loading,
        baking,
        profiler_agreement,
        export_overhead,
        tegrastats,
        power_sampling,
        footprint,
    ):
        benchmark.main()
