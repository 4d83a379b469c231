#!/usr/bin/env python3
"""What simulated years cost: CPU for a timer, an order and a poll for renewal information, and how much faster than the
clock on the wall time passes in a simulation of 1,000 names for 10 years.

Orders and polls are told apart by two runs each that differ in nothing but how many there are: certificates of 90 and of 6
days, questions once a day and four times.
"""

import argparse
import json
import os
import resource
import subprocess
from pathlib import Path

import report

YEAR_SECONDS = 31_556_952


def run(build, *arguments):
    """Its JSON, with the CPU that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [build / "tests/simulation/simulate", "--seed", "1", "--faults", "none", *map(str, arguments)],
        capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = json.loads(done.stdout.splitlines()[-1])
    result["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result


def each(more, less, key):
    """CPU milliseconds for each of what `more` has more."""
    return 1000 * (more["cpu"] - less["cpu"]) / (more[key] - less[key])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--names", type=int, default=1000, help="of the large run; 0 leaves it out")
    options = parser.parse_args()
    build = options.build

    report.conditions("Simulated years, CPU on one core", "one run each")
    timers = subprocess.run([build / "bench/simulated_timers"], capture_output=True, text=True, check=True).stdout
    rows = [(f"timer, {one['sleepers']} waiting", f"{one['nanoseconds'] / 1000:.2f} µs")
            for one in map(json.loads, timers.splitlines())]
    small = ["--names", 50, "--years", 1, "--restarts", 0]
    daily = run(build, *small, "--poll-hours", 24)
    often = run(build, *small, "--poll-hours", 6)
    short = run(build, *small, "--poll-hours", 24, "--lifetime", 6)
    rows.append(("order, to the certificate that is served", f"{each(short, daily, 'orders'):.2f} ms"))
    rows.append(("poll for renewal information", f"{each(often, daily, 'polls'):.3f} ms"))
    report.table(("what", "CPU"), rows)
    if options.names:
        large = run(build, "--names", options.names, "--years", 10, "--poll-hours", 24, "--restarts", 0)
        print(f"{options.names} names for 10 years: {large['wall_seconds']:.0f} s, {large['cpu']:.0f} s of them CPU; "
              f"{large['orders']} orders, {large['polls']} polls, {large['asked']} handshakes, {large['moments']} moments; "
              f"{10 * YEAR_SECONDS / large['wall_seconds']:,.0f} times as fast as the clock on the wall")
    report.load_after()


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    main()
