#!/usr/bin/env python3
"""TLS connections: what a handshake, a byte and an idle connection cost the server. nginx and the Go servers beside
evercert; a bare loop on the same OpenSSL, which is as little as one can do with it; asio::ssl::stream for its memory.

TLS 1.3 unless it says otherwise, a P-256 certificate and one intermediate, X25519, AES-128-GCM. The server is on one
core and the client on the other, and the servers take turns. CPU is the server's alone, an operation.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path
from statistics import median

import pinned
import report

HANDSHAKES = 3000
FILE_SIZE = 1 << 20
FILES = 200
HELD = 10_000
KNOWN = 100_000
#: Somewhat fewer than manager_options::parsed_certificates_max, so that all of them stay parsed once they were asked for.
ASKED = 8_000


def handshake_measures(count):
    base = ["handshakes", "--count", str(count)]
    return {
        "full handshake": base,
        "resumed": [*base, "--resume"],
        "full, TLS 1.2": [*base, "--tls", "1.2"],
        "resumed, TLS 1.2": [*base, "--tls", "1.2", "--resume"],
    }


def measure_in_turn(servers, build, runs, measures, operations, unit="µs", scale=1):
    names = [server.contender.name for server in servers]
    for title, arguments in measures.items():
        figures = {name: [] for name in names}
        for _ in range(runs):
            for server in servers:
                cpu, rate = server.measure(build, operations, *arguments)
                figures[server.contender.name].append((cpu * scale, rate))
        pinned.print_measure(title, names, figures, unit)


def held_memory(contender, build, folder, place, core, count):
    """Bytes of resident memory for each connection that is held."""
    server = pinned.Server(contender, folder, place, [core])
    try:
        server.warm_up(build)
        before = server.resident()
        command = server.client(build, "hold", "--count", str(count))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            if client.stdout.readline() != "holding\n":
                raise RuntimeError(f"{contender.name} does not hold {count} connections")
            after = server.resident()
            client.communicate(timeout=pinned.CLIENT_TIMEOUT)
        return (after - before) / count
    finally:
        server.stop()


def print_memory(contenders, build, folder, place, core, runs, count):
    rows = []
    for index, contender in enumerate(contenders):
        figures = [
            held_memory(contender, build, folder / f"held-{index}-{run}", place, core, count) / 1000 for run in range(runs)
        ]
        rows.append([contender.name, f"{median(figures):.1f}", f"{min(figures):.1f}", f"{max(figures):.1f}"])
    report.table([f"{count} connections held after a request", "kB each", "min", "max"], rows)
    print(flush=True)


def print_names(contender, build, folder, core, runs, count, known):
    """One name, and a random one among those that are parsed, of many that are known. The same server, in turn."""
    folder.mkdir()
    server = pinned.Server(contender, folder / "server", pinned.prepare(build, folder, known), [core])
    try:
        asked = min(ASKED, known)
        server.measure(build, asked, "handshakes", "--count", str(asked), "--each")
        figures = {"one name": [], f"one of {asked}, of {known}": []}
        for run in range(runs):
            for title, names in zip(figures, (1, asked)):
                arguments = ["handshakes", "--count", str(count), "--names", str(names), "--seed", str(run)]
                figures[title].append(server.measure(build, count, *arguments))
        pinned.print_measure("names", list(figures), figures)
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description="The CPU and memory of TLS connections.")
    parser.add_argument("build", type=Path, help="the build folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--handshakes", type=int, default=HANDSHAKES)
    parser.add_argument("--held", type=int, default=HELD)
    parser.add_argument("--known", type=int, default=KNOWN)
    parts = ["handshakes", "bulk", "held", "names"]
    parser.add_argument("--only", choices=parts, action="append")
    options = parser.parse_args()
    build = options.build.resolve()
    wanted = options.only or parts

    report.conditions("TLS connections", f"median of {options.runs}")
    core = pinned.share_the_cores()
    serving = report.skipped(pinned.servers(build))
    floor = report.skipped([pinned.openssl_loop(build)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = pinned.prepare(build, folder, 10, FILE_SIZE)
        if "handshakes" in wanted:
            servers = pinned.started(serving + floor, folder / "handshakes", place, core, build)
            measure_in_turn(servers, build, options.runs, handshake_measures(options.handshakes), options.handshakes)
            pinned.stop(servers)
        if "bulk" in wanted:
            servers = pinned.started(report.skipped(pinned.file_servers(build)) + floor, folder / "bulk", place, core, build)
            title = {"bytes of one connection": ["bulk", "--path", f"/files/{FILE_SIZE}", "--count", str(FILES)]}
            measure_in_turn(servers, build, options.runs, title, FILES, "ms a GB", 1e-3 * 1e9 / FILE_SIZE)
            pinned.stop(servers)
        if "held" in wanted:
            those = serving + floor + report.skipped([pinned.asio_ssl(build)])
            print_memory(those, build, folder, place, core, options.runs, options.held)
        if "names" in wanted:
            print_names(serving[0], build, folder / "names", core, options.runs, options.handshakes, options.known)
    report.load_after()


if __name__ == "__main__":
    main()
