#!/usr/bin/env python3
"""From nothing to the first HTTPS answer with a fresh certificate: each server is started in an empty folder, without
an account, and a client asks for a new name until it has an answer whose certificate leads to Pebble's root.

The clock runs from before the process is made until the first line of the answer. The client waits 1 ms while the
port is closed and 5 ms after a refused handshake. The servers take turns, each with a Pebble of its own, so that what
else runs meets all of them; a first turn is not counted, since Pebble is slower in it.
"""

import argparse
import socket
import ssl
import tempfile
import time
from pathlib import Path
from statistics import median

import contenders
import report
from pebble import Pebble

TIMEOUT = 60
CLOSED_PAUSE = 0.001
REFUSED_PAUSE = 0.005


def ask(name, port, context):
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        with context.wrap_socket(connection, server_hostname=name) as tls:
            tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            return tls.recv(4096)


def first_answer(name, port, context, server):
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return ask(name, port, context)
        except ssl.SSLCertVerificationError:
            raise
        except ConnectionRefusedError as e:
            refused, pause = e, CLOSED_PAUSE
        except (ssl.SSLError, ConnectionError) as e:
            refused, pause = e, REFUSED_PAUSE
        if not server.is_running() or time.monotonic() > deadline:
            raise RuntimeError(f"no answer for {name}: {refused}\n{server.output()[-2000:]}")
        time.sleep(pause)


def measure(contender, ca, context, name, folder):
    """Seconds to the answer, and the server's CPU seconds."""
    begun = time.perf_counter()
    server = contender.start(ca, [name], folder)
    try:
        answer = first_answer(name, ca.tls_port, context, server)
        took = time.perf_counter() - begun
    finally:
        cpu = server.stop()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{contender.name} answered {answer[:200]}")
    return took, cpu


def turns(those, runs, folder):
    cas = {contender.name: Pebble(folder / contender.name) for contender in those}
    figures = {contender.name: [] for contender in those}
    try:
        contexts = {name: ca.trusting_context() for name, ca in cas.items()}
        for run in range(runs + 1):
            for contender in those:
                key = contender.name
                place = folder / f"{key}-{run}"
                figure = measure(contender, cas[key], contexts[key], f"first-{run}.test", place)
                if run > 0:
                    figures[key].append(figure)
    finally:
        for ca in cas.values():
            ca.stop()
    return figures


def main():
    parser = argparse.ArgumentParser(description="From nothing to the first HTTPS answer.")
    parser.add_argument("build", type=Path, help="the build folder")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    report.conditions("From nothing to the first HTTPS answer with a fresh certificate, in seconds", f"median of {options.runs}")
    those = report.skipped(contenders.for_first_answer(options.build.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        figures = turns(those, options.runs, Path(folder))
    base = median(took for took, _ in figures[those[0].name])
    rows = []
    for name, pairs in figures.items():
        times, cpus = [took for took, _ in pairs], [cpu for _, cpu in pairs]
        ratio = f"{median(times) / base:.1f}"
        rows.append([name, *report.summary(times), ratio, f"{median(cpus) * 1000:.0f} ms"])
    report.table(["server", "median", "min", "max", f"times {those[0].name}", "its CPU"], rows)
    report.load_after()


if __name__ == "__main__":
    main()
