"""Benchmarks: what hierarchical classifiers cost, each number against a rival in the same run.

`run_bench` runs suites and returns a `BenchReport`, which is JSON (``model_dump_json``), text (`render`) or Markdown
(`report_markdown`). `read_report` reads stored ones, and `compare_reports` says what became slower.

    config      what is measured, at which size; the smaller sizes for a CPU
    workload    the paper's problem (its tree, its three datasets, its batch) with made-up pixels
    loss decide infer train loader convert     the suites, one function each
    linear      a flat loss from features, in chunks: a rival of the first
    meter       time in turns, peak memory, inputs that no cache holds
    ceilings    how fast the device could be
    machine     what the numbers were measured on
    results     them as validated data; quartiles and comparisons of contestants
    stored      them from a file
    comparison  them beside those of an earlier run
    cells       their pieces as text; from these table (a terminal) and markdown
"""

from labelforge.bench.comparison import Comparison, compare_reports
from labelforge.bench.config import SUITES, BenchConfig
from labelforge.bench.markdown import comparison_markdown, report_markdown
from labelforge.bench.results import BenchReport
from labelforge.bench.runner import run_bench
from labelforge.bench.stored import read_report
from labelforge.bench.table import render, render_comparison
