"""Benchmarks: what hierarchical classifiers cost, each number against a rival in the same run.

`run_bench` runs suites and returns a `BenchReport`, which is JSON (``model_dump_json``) or text (`render`).

    config      what is measured, at which size; the smaller sizes for a CPU
    workload    the paper's problem (its tree, its three datasets, its batch) with made-up pixels
    loss decide infer train loader convert     the suites, one function each
    meter       time in turns, peak memory
    machine     what the numbers were measured on
    results     them as validated data; quartiles and comparisons
    table       them as text
"""

from labelforge.bench.config import SUITES, BenchConfig
from labelforge.bench.results import BenchReport
from labelforge.bench.runner import run_bench
from labelforge.bench.table import render
