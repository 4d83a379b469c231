#!/usr/bin/env python3
"""Servers that start with ten thousand certificates in their store: how soon the first client is answered, what a
certificate costs in resident memory, and how long a handshake takes.

No CA runs, so what is answered comes from the store; the client checks that each name gets its own certificate. The
stores are written once and are in the page cache. The servers take turns. Of each figure of a turn:

- start: from before the process is made to the end of the first answer, for a random name
- while loading: handshakes right after that, each for another name
- started once more, once the server does nothing by itself any more: its resident memory; handshakes for all names, each
  once (cold), and for some again (warm); its resident memory after that

The memory is less that of the same server with an empty store, and divided by the certificates.
"""

import argparse
import random
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import contenders
import report
from process import Process, free_port

LOADING_MAX = 60
EARLY = 200
AGAIN = 1000
#: Nothing has happened for so long: then it will not either.
QUIET = 0.5


class Client:
    """Of bench/ask_names."""

    def __init__(self, build, port, root):
        command = [str(build / "bench/ask_names"), str(port), str(root)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        """Milliseconds."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the client failed at {words}")
        return [float(one) / 1000 for one in answer.split()]

    def stop(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@dataclass
class Turn:
    start: float = 0
    cold_memory: float = 0
    warm_memory: float = 0
    loading: float = 0
    handshakes: dict = field(default_factory=dict)


def scheduled(server):
    """Nanoseconds on a core or waiting for one, of all threads."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    return sum(int(word) for task in tasks for word in (task / "schedstat").read_text(encoding="ascii").split()[:2])


def wait_until_quiet(server):
    deadline = time.monotonic() + LOADING_MAX
    before, since = scheduled(server), time.monotonic()
    while time.monotonic() - since < QUIET:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{server.log} is still at work after {LOADING_MAX} s")
        time.sleep(0.02)
        if (now := scheduled(server)) - before > 1e6:
            before, since = now, time.monotonic()
    return since


def resident(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


class Contender:
    def __init__(self, name, program, command):
        self.name, self.program, self.hint = name, str(program), contenders.BUILD_HINT
        self._command = command
        self.turns = []
        self.empty = []

    def is_there(self):
        return Path(self.program).exists()

    def start(self, store, port, place, log):
        return Process([self.program, *self._command(store, port, place)], log)


def https_server(store, port, place):
    arguments = ["--store", store, "--directory", place["directory"], "--ca-file", place["root"], "--log", "off"]
    return arguments + ["--bind", "127.0.0.1", "--http-port", "0", "--https-port", port]


def autocert(store, port, place):
    arguments = ["-cache", store, "-directory", place["directory"], "-ca-file", place["root"]]
    return arguments + ["-address", f"127.0.0.1:{port}"]


def empty_memory(contender, folder, place):
    store = folder / f"empty-{contender.name}-{len(contender.empty)}"
    store.mkdir(mode=0o700)
    port = free_port()
    server = contender.start(store, port, place, folder / "log")
    try:
        wait_until_quiet(server)
        return resident(server)
    finally:
        server.stop()


class Running:
    """A server that has answered its first client, and the client."""

    def __init__(self, contender, build, folder, place, name):
        port = free_port()
        self.client = Client(build, port, place["root"])
        begun = time.perf_counter()
        self.server = contender.start(folder / "stores" / contender.name, port, place, folder / "log")
        try:
            self.client.ask("first", name)
        except BaseException:
            self.stop()
            raise
        self.start = (time.perf_counter() - begun) * 1000

    def stop(self):
        self.server.stop()
        self.client.stop()


def measure_start(turn, start, count, run):
    running = start(random.Random(run).randrange(count))
    try:
        turn.start = running.start
        begun = time.monotonic()
        turn.handshakes["while loading"] = running.client.ask("ask", 1000 + run, count, min(EARLY, count))
        turn.loading = wait_until_quiet(running.server) - begun
    finally:
        running.stop()


def measure_rest(turn, start, count, run):
    running = start(random.Random(run).randrange(count))
    try:
        wait_until_quiet(running.server)
        turn.cold_memory = resident(running.server)
        turn.handshakes["cold"] = running.client.ask("ask", 2000 + run, count, count)
        turn.handshakes["warm"] = running.client.ask("ask", 3000 + run, count, min(AGAIN, count))
        turn.warm_memory = resident(running.server)
    finally:
        running.stop()


def measure(contender, build, folder, place, count, run):
    def start(name):
        return Running(contender, build, folder, place, name)

    turn = Turn()
    measure_start(turn, start, count, run)
    measure_rest(turn, start, count, run)
    return turn


def percentile(values, which):
    return quantiles(values, n=100, method="inclusive")[which - 1]


def print_figures(those, count):
    def kib(contender, what):
        base = median(contender.empty)
        return f"{(median(getattr(turn, what) for turn in contender.turns) - base) / count / 1024:.2f}"

    rows = []
    for one in those:
        starts = [turn.start for turn in one.turns]
        row = [one.name, *(f"{f(starts):.1f}" for f in (median, min, max)), f"{median(one.empty) / 2**20:.1f}"]
        rows.append(row + [kib(one, "cold_memory"), kib(one, "warm_memory"), f"{median(turn.loading for turn in one.turns):.2f}"])
    head = ["server", "start, ms", "min", "max", "empty, MiB", "cold, KiB each", "warm, KiB each", "busy after it, s"]
    report.table(head, rows)
    rows = []
    for one in those:
        for what in one.turns[0].handshakes:
            row = [f"{one.name}, {what}"]
            for which in (50, 99):
                row.append(f"{median(percentile(turn.handshakes[what], which) for turn in one.turns):.2f}")
            rows.append(row)
    print()
    report.table(["handshake, ms", "p50", "p99"], rows)


def main():
    parser = argparse.ArgumentParser(description="Servers that start with many certificates in their store.")
    parser.add_argument("build", type=Path, help="the build folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    build = options.build.resolve()

    report.conditions(f"Start with {options.count} certificates in the store", f"median of {options.runs}")
    those = [
        Contender("evercert", build / "examples/https_server", https_server),
        Contender("autocert", build / "bench/autocert", autocert),
    ]
    those = report.skipped(those)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Nobody listens there.
        place = {"directory": f"https://127.0.0.1:{free_port()}/dir", "root": folder / "stores/root.pem"}
        (folder / "stores").mkdir()
        fill = [build / "bench/fill_stores", "--count", str(options.count), "--directory", place["directory"]]
        subprocess.run([*fill, folder / "stores"], check=True)
        for run in range(options.runs):
            for one in those:
                one.empty.append(empty_memory(one, folder, place))
                one.turns.append(measure(one, build, folder, place, options.count, run))
    print_figures(those, options.count)
    report.load_after()


if __name__ == "__main__":
    main()
