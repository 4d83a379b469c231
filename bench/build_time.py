#!/usr/bin/env python3
"""How long a clean build takes, without ccache, with two jobs on two cores: the library alone, and everything (both
libraries, tests, examples, benchmarks). Once, in a folder of its own, with the options that users get.

The compilers' own CPU seconds say how much work it is even where others keep the cores busy.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

ROOT = Path(__file__).resolve().parents[1]


def timed(arguments):
    """Wall and CPU seconds."""
    environment = {**os.environ, "CCACHE_DISABLE": "1"}
    environment.setdefault("CXX", "g++")
    environment.setdefault("CC", "gcc")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    run = subprocess.run(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    took = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        sys.exit(run.stdout.decode(errors="replace")[-4000:])
    return took, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main():
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    report.conditions("Clean build without ccache, in seconds", "one run")
    with tempfile.TemporaryDirectory() as folder:
        steps = [
            ("configure", ["meson", "setup", folder, "-Dbench=true"]),
            ("the library", ["ninja", "-C", folder, "-j2", "libevercert.a"]),
            ("the rest", ["ninja", "-C", folder, "-j2"]),
        ]
        times = {name: timed(arguments) for name, arguments in steps}
    times["everything"] = tuple(map(sum, zip(*times.values())))
    report.table(["", "time", "CPU"], [[name, f"{took:.1f}", f"{cpu:.1f}"] for name, (took, cpu) in times.items()])
    report.load_after()


if __name__ == "__main__":
    main()
