"""HTTPS servers that are compared while they serve: each on one core, with the client on the other, all with the same
certificate of a CA of our own, without access logs.

Each answers / with a line of text and /files/NAME with a file. Where servers differ in a limit that the measure would
meet, the peers get evercert's default.
"""

import json
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Callable

import contenders
import report
from process import Process, free_port

NAME = "host0.example.com"
START_TIMEOUT = 30
CLIENT_TIMEOUT = 600
WARM_UP = 300


@dataclass(frozen=True)
class Place:
    """What a server is started with."""

    folder: Path
    port: int
    #: The stores that bench/fill_stores wrote, and the certificate of NAME in files of its own.
    stores: Path
    chain: Path
    key: Path
    #: A folder to serve: what is asked for is /files/NAME in it.
    files: Path


@dataclass(frozen=True)
class Contender:
    name: str
    program: str
    hint: str
    #: A place to the arguments and the environment.
    command: Callable[[Place], tuple]

    def is_there(self):
        return shutil.which(self.program) is not None


#: Nobody listens there: no server is to obtain anything.
NO_DIRECTORY = "https://127.0.0.1:1/dir"


def evercert(place):
    arguments = ["--store", place.stores / "evercert", "--directory", NO_DIRECTORY, "--log", "off"]
    arguments += ["--ca-file", place.stores / "root.pem"]
    return arguments + ["--bind", "127.0.0.1", "--http-port", "0", "--https-port", place.port], {}


def evercert_with_files(place):
    arguments, environment = evercert(place)
    return [*arguments, "--root", place.files], environment


def nginx(place):
    """One worker; requests on a connection, and all waits, as many and as long as evercert's."""
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"{kind}_temp_path {place.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place.folder / "nginx.conf").write_text(
        f"""
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors()};
pid {place.folder}/pid;
error_log stderr error;
events {{ worker_connections {descriptors()}; }}
http {{
    {temporary}
    types {{ text/plain txt; }}
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    keepalive_requests 10000;
    keepalive_timeout 75s;
    client_header_timeout 10s;
    client_body_timeout 60s;
    send_timeout 60s;
    server {{
        listen 127.0.0.1:{place.port} ssl backlog=4096;
        server_name {NAME};
        ssl_certificate {place.chain};
        ssl_certificate_key {place.key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ecdh_curve X25519:P-256;
        location = / {{ default_type text/plain; return 200 "Hello from $ssl_server_name, over TLS.\\n"; }}
        location /files/ {{ root {place.files}; }}
    }}
}}
""",
        encoding="utf-8",
    )
    return ["-p", place.folder, "-c", place.folder / "nginx.conf"], {}


def caddy(place):
    static = {"handler": "static_response", "body": "Hello from {http.request.tls.server_name}, over TLS.\n"}
    files = {"handler": "file_server", "root": str(place.files)}
    server = {
        "listen": [f"127.0.0.1:{place.port}"],
        "protocols": ["h1", "h2"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
        "read_header_timeout": "10s",
        "idle_timeout": "75s",
        "routes": [{"match": [{"path": ["/files/*"]}], "handle": [files]}, {"handle": [static]}],
    }
    certificate = {"certificate": str(place.chain), "key": str(place.key)}
    config = {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "storage": {"module": "file_system", "root": str(place.folder / "caddy")},
        "apps": {
            "http": {"servers": {"server": server}},
            "tls": {"certificates": {"load_files": [certificate]}},
        },
    }
    (place.folder / "caddy.json").write_text(json.dumps(config), encoding="utf-8")
    home = {"HOME": place.folder, "XDG_CONFIG_HOME": place.folder, "XDG_DATA_HOME": place.folder}
    return ["run", "--config", place.folder / "caddy.json"], {**home, "GOMAXPROCS": "1"}


def autocert(place):
    arguments = ["-cache", place.stores / "autocert", "-directory", NO_DIRECTORY, "-files", place.files]
    arguments += ["-ca-file", place.stores / "root.pem", "-address", f"127.0.0.1:{place.port}"]
    return arguments, {"GOMAXPROCS": "1"}


def by_hand(place):
    """A server that has no other purpose."""
    return [place.port, place.chain, place.key], {}


def _servers(build, ours):
    return [
        Contender("evercert", str(build / "examples/https_server"), contenders.BUILD_HINT, ours),
        Contender("nginx", "nginx", "apt-get install nginx-light", nginx),
        Contender("Caddy", "caddy", "apt-get install caddy", caddy),
        Contender("autocert", str(build / "bench/autocert"), "apt-get install golang-go", autocert),
    ]


def with_threads(contender, threads):
    """Of evercert."""

    def command(place):
        arguments, environment = contender.command(place)
        return [*arguments, "--threads", threads], environment

    return replace(contender, command=command)


def servers(build):
    return _servers(build, evercert)


def file_servers(build):
    return _servers(build, evercert_with_files)


def openssl_loop(build):
    return Contender("OpenSSL and epoll", str(build / "bench/openssl_loop"), contenders.BUILD_HINT, by_hand)


def asio_ssl(build):
    return Contender("asio::ssl::stream", str(build / "bench/asio_ssl_server"), contenders.BUILD_HINT, by_hand)


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def share_the_cores():
    """This process and the clients that it starts on one core; returns the one for servers."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("server and client need a core each, and here is one")
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors(), descriptors()))
    os.sched_setaffinity(0, cores[1:2])
    return cores[0]


def prepare(build, folder, count, *file_sizes):
    """Writes the stores and the files; returns what all places have in common."""
    stores, files = folder / "stores", folder / "files"
    stores.mkdir()
    (files / "files").mkdir(parents=True)
    fill = [build / "bench/fill_stores", "--count", str(count), "--directory", NO_DIRECTORY, stores]
    subprocess.run(fill, check=True)
    pem = (stores / "autocert" / NAME).read_text(encoding="ascii")
    key, marker, chain = pem.partition("-----BEGIN CERTIFICATE-----")
    (folder / "key.pem").write_text(key, encoding="ascii")
    (folder / "chain.pem").write_text(marker + chain, encoding="ascii")
    # What a server of files answers to /.
    (files / "index.html").write_text("Hello from a file, over TLS.\n", encoding="ascii")
    for size in file_sizes:
        (files / "files" / f"{size}").write_bytes(os.urandom(size))
    return {"stores": stores, "files": files, "chain": folder / "chain.pem", "key": folder / "key.pem"}


class Server:
    """One that runs on its core."""

    def __init__(self, contender, folder, place, cores):
        self.contender = contender
        folder.mkdir()
        self.port = free_port()
        self._files = place
        arguments, environment = contender.command(Place(folder=folder, port=self.port, **place))
        pinned = ["taskset", "-c", ",".join(map(str, cores)), shutil.which(contender.program), *arguments]
        self._process = Process(pinned, folder / "log", {name: str(value) for name, value in environment.items()})
        self._process.wait_for(contender.name, self._listens, START_TIMEOUT)

    def _listens(self):
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        return any(row[1].endswith(f":{self.port:04X}") and row[3] == "0A" for row in rows)

    def _processes(self):
        """nginx's worker is a child."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [str(pid), *children]

    def cpu(self):
        """Nanoseconds until now, of all threads."""
        tasks = [task for pid in self._processes() for task in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)

    def resident(self):
        """Bytes."""
        kib = 0
        for pid in self._processes():
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                kib += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return kib * 1024

    def client(self, build, *arguments, program="tls_client"):
        """The command line of a client of this folder."""
        return [str(build / "bench" / program), str(self.port), str(self._files["stores"] / "root.pem"), *arguments]

    def measure(self, build, operations, *arguments):
        """Microseconds of CPU for each of the operations, and how many there were in a second."""
        before = self.cpu()
        command = self.client(build, *arguments)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=CLIENT_TIMEOUT)
        return (self.cpu() - before) / 1000 / operations, operations / float(done.stdout)

    def warm_up(self, build):
        self.measure(build, WARM_UP, "handshakes", "--count", str(WARM_UP), "--request")

    def stop(self):
        self._process.stop()


def started(contenders, folder, place, core, build):
    """All of them, warm."""
    folder.mkdir()
    servers = []
    for index, contender in enumerate(contenders):
        server = Server(contender, folder / f"server-{index}", place, [core])
        server.warm_up(build)
        servers.append(server)
    return servers


def stop(servers):
    for server in servers:
        server.stop()


def print_measure(title, names, figures, unit="µs"):
    """Figures: by name, the values of all runs, each CPU and rate."""
    middle = {name: median(cpu for cpu, _ in figures[name]) for name in names}
    rows = []
    for name in names:
        cpus = [cpu for cpu, _ in figures[name]]
        ratio = f"{middle[name] / middle['nginx']:.2f}" if "nginx" in middle else "-"
        rate = median(rate for _, rate in figures[name])
        rows.append([name, f"{middle[name]:.1f}", f"{min(cpus):.1f}", f"{max(cpus):.1f}", ratio, f"{rate:.0f}"])
    report.table([title, f"CPU, {unit}", "min", "max", "times nginx", "a second"], rows)
    print(flush=True)
