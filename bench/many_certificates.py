#!/usr/bin/env python3
"""Fifty certificates at once: each program is started in an empty folder, without an account, obtains a certificate
for each of fifty new names, all at once and without a limiter of its own, and saves them.

The clock runs from before the process is made until it says that it has all of them. Caddy cannot be told to leave its
limiter (10 certificates in 10 s) away: it runs once, and what counts is its last certificate's file. The CPU is of the
program's whole life, so its start and its account are in it.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import contenders
import report
from pebble import Pebble
from process import InVain

TIMEOUT = 30
CADDY_TIMEOUT = 120
ATTEMPTS = 5


def names(count, run):
    return [f"many-{run}-{i}.test" for i in range(count)]


def measure(contender, ca, those, folder, done, timeout=TIMEOUT, pause=0.001):
    """Seconds, the program's CPU seconds, Pebble's CPU seconds."""
    ca_before = ca.cpu_seconds()
    begun = time.perf_counter()
    program = contender.start(ca, those, folder)
    try:
        program.wait_for(f"{len(those)} certificates", lambda: done(program), timeout, pause)
        took = time.perf_counter() - begun
    finally:
        cpu = program.stop()
    return took, cpu, ca.cpu_seconds() - ca_before


class Turns:
    """A contender's runs, with a Pebble of its own."""

    def __init__(self, contender, count, folder):
        self.contender = contender
        self.figures = []
        self._count = count
        self._folder = folder / contender.name
        self._folder.mkdir()
        self._cas = 0
        self._start_ca()

    def _start_ca(self):
        self._cas += 1
        self._ca = Pebble(self._folder / f"ca-{self._cas}")

    def run(self, run, counts):
        for attempt in range(ATTEMPTS):
            place = self._folder / f"{run}-{attempt}"
            try:
                figure = measure(self.contender, self._ca, names(self._count, run), place, self._has_said)
                break
            except InVain:
                if attempt == ATTEMPTS - 1 or not self._ca.stood_still():
                    raise
                print(f"{self.contender.name}: Pebble stood still in a deadlock of its own; again with a new one")
                self._ca.stop()
                self._start_ca()
        if counts:
            self.figures.append(figure)

    def _has_said(self, program):
        return f"obtained {self._count}\n" in program.output()

    def stop(self):
        self._ca.stop()


def take_turns(those, count, runs, folder):
    all_turns = [Turns(contender, count, folder) for contender in those]
    try:
        for run in range(runs + 1):
            for turns in all_turns:
                turns.run(run, run > 0)
    finally:
        for turns in all_turns:
            turns.stop()
    return {turns.contender.name: turns.figures for turns in all_turns}


def caddy_once(count, folder):
    ca = Pebble(folder / "ca")
    place = folder / "caddy"

    def saved(_program):
        return len(list(place.rglob("*.crt"))) == count

    try:
        return [measure(contenders.CADDY, ca, names(count, 0), place, saved, CADDY_TIMEOUT, pause=0.05)]
    finally:
        ca.stop()


def row(name, figures, base, count):
    times = [took for took, _, _ in figures]
    own, ca = (median(figure[i] for figure in figures) * 1000 / count for i in (1, 2))
    return [name, *report.summary(times), f"{median(times) / base:.1f}", f"{own:.1f} ms", f"{ca:.1f} ms"]


def main():
    parser = argparse.ArgumentParser(description="Many certificates at once.")
    parser.add_argument("build", type=Path, help="the build folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--no-caddy", action="store_true", help="which takes 41 s for 50 certificates")
    options = parser.parse_args()
    count = options.count

    report.conditions(f"{count} certificates at once, in seconds", f"median of {options.runs}")
    those = report.skipped(contenders.for_many_certificates(options.build.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        figures = take_turns(those, count, options.runs, Path(folder))
    base = median(took for took, _, _ in figures[those[0].name])
    rows = [row(name, values, base, count) for name, values in figures.items()]
    if not options.no_caddy and report.skipped([contenders.CADDY]):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row("Caddy, once, with its limiter", caddy_once(count, Path(folder)), base, count))
    head = ["program", "median", "min", "max", f"times {those[0].name}", "its CPU each", "Pebble's CPU each"]
    report.table(head, rows)
    report.load_after()


if __name__ == "__main__":
    main()
