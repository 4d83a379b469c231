#!/usr/bin/env python3
"""What a manager costs while nothing happens: bench/idle_cost runs for a while in real time, with few names and with
many, with questions for renewal information and without, and its CPU is scaled to an hour. Then a whole hour in simulated time.

The CA of this is a thread here: a directory and the same suggested window for everybody, to be asked for again in 6
hours, as Let's Encrypt has it. Of 100,000 names 4.6 are asked for in a second.
"""

import argparse
import datetime
import json
import ssl
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import report
from pebble import make_certificates

FEW = 100


class RenewalInfo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each answer waits for an acknowledgement of its head.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        self.server.asked += self.path.startswith("/ari/")
        base = f"https://127.0.0.1:{self.server.server_port}"
        answer = self.server.window
        if self.path == "/dir":
            answer = {"newNonce": base + "/nonce", "newAccount": base + "/account", "newOrder": base + "/order"}
            answer |= {"revokeCert": base + "/revoke", "keyChange": base + "/key", "renewalInfo": base + "/ari"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "21600")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Ca:
    def __init__(self, folder):
        make_certificates(folder)
        self.ca_file = folder / "ca.pem"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), RenewalInfo)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        today = datetime.datetime.now(datetime.timezone.utc).date()
        days = [f"{today + datetime.timedelta(days=d)}T00:00:00Z" for d in (58, 60)]
        self._server.window = {"suggestedWindow": {"start": days[0], "end": days[1]}}
        self._server.asked = 0
        self.directory = f"https://127.0.0.1:{self._server.server_port}/dir"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def asked(self):
        return self._server.asked

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def figures(lines):
    rows = [line.rstrip("\n").split("\t") for line in lines]
    return {row[0]: (float(row[1]), row[2]) for row in rows if len(row) == 3}


def idle(program, ca, names, seconds, *more):
    arguments = [program, "--names", names, "--directory", ca.directory, "--ca-file", ca.ca_file, "--seconds", seconds, *more]
    lines, asked = [], 0
    with subprocess.Popen([str(one) for one in arguments], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            lines.append(line)
            if line == "waits\n":
                asked = ca.asked()
            if line.startswith("CPU of an hour"):
                asked = ca.asked() - asked
    if process.returncode != 0:
        raise RuntimeError("bench/idle_cost failed")
    return {**figures(lines), "polls a second": (asked / seconds, "")}


def main():
    parser = argparse.ArgumentParser(description="What a manager costs while nothing happens.")
    parser.add_argument("build", type=Path, help="the build folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=30, help="how long each run waits")
    options = parser.parse_args()
    program = options.build.resolve() / "bench/idle_cost"

    report.conditions(f"A manager that waits, {options.seconds} s scaled to an hour", f"median of {options.runs}")
    cases = {
        f"{FEW} names, asking nothing": (FEW, ["--no-renewal-info"]),
        f"{options.names} names, asking nothing": (options.names, ["--no-renewal-info"]),
        f"{options.names} names, renewal information": (options.names, []),
    }
    found = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as name:
        for run in range(options.runs):
            for case, (names, more) in cases.items():
                folder = Path(name) / f"{run}-{len(found[case])}-{names}-{len(more)}"
                folder.mkdir()
                ca = Ca(folder)
                try:
                    found[case].append(idle(program, ca, names, options.seconds, *more))
                finally:
                    ca.stop()

    def middle(case, what):
        return median(one[what][0] for one in found[case])

    whats = ["CPU of an hour", "polls a second", "saves of an hour"]
    heads = ["CPU of an hour, s", "polls a second", "saves of an hour"]
    rows = [[case, f"{middle(case, whats[0]) / 1000:.2f}", f"{middle(case, whats[1]):.1f}", f"{middle(case, whats[2]):.0f}"] for case in cases]
    report.table(["a manager with", *heads], rows)
    print()
    print("A whole hour of simulated time; renewal information is answered by a CA in the same process, whose CPU is in it.\n")
    rows = []
    for case, (names, more) in cases.items():
        lines = subprocess.run([program, "--simulated", "--names", str(names), *more], capture_output=True, check=True, text=True).stdout
        hour = figures(lines.splitlines())
        rows.append([case, f"{hour['CPU of an hour'][0] / 1000:.3f}", *(f"{hour[what][0]:.0f}" for what in ("moments of an hour", "polls of an hour"))])
    report.table(["a manager with", "CPU of an hour, s", "wakeups", "polls"], rows)
    print()
    parts = figures(subprocess.run([program, "--names", str(options.names), "--parts"], capture_output=True, check=True, text=True).stdout.splitlines())
    many = list(cases)[2]
    rest = {what: (middle(many, what), unit) for what, (_, unit) in found[many][0].items() if what not in whats}
    report.table([f"with {options.names} names", "", ""], [[what, f"{value:.0f}" if value >= 100 else f"{value:.1f}", unit] for what, (value, unit) in {**rest, **parts}.items()])
    report.load_after()


if __name__ == "__main__":
    main()
