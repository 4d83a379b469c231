#!/usr/bin/env python3
"""HTTP over TLS: what a request, a connection with one request and a file cost the server, how long clients wait when
it is busy, also beside ten thousand slow ones; and what threads and a look-up in a mux cost.

Set up as bench/tls_server.py. wrk makes requests on connections that stay; its load has no pauses, so latency is
measured by bench/http_client at a constant rate, 70 % of the most that wrk gets from the same server.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path
from statistics import median

import pinned
import report

FILE = 1 << 20
CONNECTIONS = 16
SECONDS = 3
NEW_CONNECTIONS = 2000
SHARE = 0.7
#: As many as a process may have descriptors for, with room for those that are measured.
SLOW = 10_000
SLOW_TIMEOUT = 300

#: wrk asks for the name of the certificate, which no resolver knows, and for the cipher that bench/tls_client asks for.
SCRIPT = """
function wrk.resolve(host, service)
    wrk.addrs = wrk.lookup("127.0.0.1", service)
end
"""
OPENSSL = """
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519:P-256
"""


class Wrk:
    def __init__(self, folder):
        (folder / "wrk.lua").write_text(SCRIPT, encoding="ascii")
        (folder / "openssl.cnf").write_text(OPENSSL, encoding="ascii")
        self._script = folder / "wrk.lua"
        self._environment = {**os.environ, "OPENSSL_CONF": str(folder / "openssl.cnf")}

    def measure(self, server, path, connections, seconds):
        """Microseconds of CPU a request, and requests a second."""
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(self._script)]
        command.append(f"https://{pinned.NAME}:{server.port}{path}")
        before = server.cpu()
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=self._environment, timeout=pinned.CLIENT_TIMEOUT
        )
        cpu = (server.cpu() - before) / 1000
        if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise RuntimeError(f"{server.contender.name} failed:\n{done.stdout}")
        requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
        return cpu / requests, float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])


def measure(title, servers, runs, one, unit="µs"):
    """`one` measures a server once. Returns its median rates by name."""
    figures = {server.contender.name: [] for server in servers}
    for _ in range(runs):
        for server in servers:
            figures[server.contender.name].append(one(server))
    pinned.print_measure(title, list(figures), figures, unit)
    return {name: median(rate for _, rate in values) for name, values in figures.items()}


def latency(server, build, rate, seconds):
    arguments = ["latency", "--rate", f"{rate:.0f}", "--seconds", str(seconds), "--connections", str(2 * CONNECTIONS)]
    done = subprocess.run(
        server.client(build, *arguments, program="http_client"),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=pinned.CLIENT_TIMEOUT,
    )
    return [float(word) for word in done.stdout.split()[1:]]


def print_latency(title, servers, build, rates, runs):
    rows = []
    for server in servers:
        rate = SHARE * rates[server.contender.name]
        figures = [latency(server, build, rate, SECONDS) for _ in range(runs)]
        rows.append([server.contender.name, f"{rate:.0f}", *(f"{median(which):.2f}" for which in zip(*figures))])
    report.table([title, "a second", "p50, ms", "p99", "p99.9"], rows)
    print(flush=True)


class SlowClients:
    def __init__(self, server, build, count):
        command = server.client(build, "slow", "--count", str(count), "--path", f"/files/{FILE}", program="http_client")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "holding\n":
            raise RuntimeError(f"{server.contender.name} does not take {count} slow clients")

    def stop(self):
        """How often one of them was closed."""
        output, _ = self._process.communicate(timeout=SLOW_TIMEOUT)
        return int(output)


def print_beside_slow(contenders, folder, place, core, build, rates, runs, count):
    rows = []
    for index, contender in enumerate(contenders):
        server = pinned.Server(contender, folder / f"slow-{index}", place, [core])
        try:
            server.warm_up(build)
            before = server.resident()
            slow = SlowClients(server, build, count)
            memory = (server.resident() - before) / count / 1000
            rate = SHARE * rates[contender.name]
            figures = [latency(server, build, rate, SECONDS) for _ in range(runs)]
            closed = slow.stop()
        finally:
            server.stop()
        waits = [f"{median(which):.2f}" for which in zip(*figures)]
        rows.append([contender.name, f"{rate:.0f}", *waits, f"{memory:.1f}", closed])
    head = [f"beside {count} slow clients", "a second", "p50, ms", "p99", "p99.9", "kB a slow one", "closed"]
    report.table(head, rows)
    print(flush=True)


def print_threads(contender, folder, place, cores, build, wrk, runs):
    """Server and client share the cores here, or a second thread would have none."""
    rows = []
    for threads in (1, 2):
        server = pinned.Server(pinned.with_threads(contender, threads), folder / f"threads-{threads}", place, cores)
        try:
            server.warm_up(build)
            requests = [wrk.measure(server, "/", CONNECTIONS, SECONDS) for _ in range(runs)]
            count = ["handshakes", "--count", str(NEW_CONNECTIONS)]
            handshakes = [server.measure(build, NEW_CONNECTIONS, *count) for _ in range(runs)]
        finally:
            server.stop()
        cells = [f"{median(which):.1f}" for figures in (requests, handshakes) for which in zip(*figures)]
        rows.append([threads, *cells])
    report.table(["threads", "CPU a request, µs", "requests a second", "CPU a handshake, µs", "a second"], rows)
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description="The CPU and latency of HTTP over TLS.")
    parser.add_argument("build", type=Path, help="the build folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slow", type=int, default=SLOW)
    parts = ["requests", "files", "latency", "slow", "threads", "mux"]
    parser.add_argument("--only", choices=parts, action="append")
    options = parser.parse_args()
    build, runs = options.build.resolve(), options.runs
    wanted = options.only or parts

    report.conditions("HTTP over TLS", f"median of {runs}")
    all_cores = sorted(os.sched_getaffinity(0))
    core = pinned.share_the_cores()
    those = report.skipped(pinned.servers(build))
    floor = report.skipped([pinned.openssl_loop(build)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = pinned.prepare(build, folder, 10, FILE)
        wrk = Wrk(folder)
        servers = pinned.started(those + floor, folder / "requests", place, core, build)
        rates = measure("request", servers, runs, lambda server: wrk.measure(server, "/", CONNECTIONS, SECONDS))
        if "requests" in wanted:
            one = ["handshakes", "--count", str(NEW_CONNECTIONS), "--request"]
            measure("connection, request", servers, runs, lambda server: server.measure(build, NEW_CONNECTIONS, *one))
        if "latency" in wanted:
            print_latency("latency", servers, build, rates, runs)
        pinned.stop(servers)
        if "files" in wanted:
            servers = pinned.started(report.skipped(pinned.file_servers(build)) + floor, folder / "files-", place, core, build)
            measure("1 MB file", servers, runs, lambda server: wrk.measure(server, f"/files/{FILE}", 4, SECONDS))
            pinned.stop(servers)
        if "slow" in wanted:
            print_beside_slow(those, folder, place, core, build, rates, runs, options.slow)
        if "threads" in wanted:
            os.sched_setaffinity(0, all_cores)
            print_threads(those[0], folder, place, all_cores, build, wrk, runs)
    if "mux" in wanted:
        subprocess.run([build / "bench/mux_lookup"], check=True)
    report.load_after()


if __name__ == "__main__":
    main()
