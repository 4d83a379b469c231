"""The servers that are compared: how each is started for some names, and what has to be installed for it.

All of them get the same: the CA's directory and root, tls-alpn-01 on the port that Pebble validates at, a new folder
to keep certificates in, and names.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from pebble import Pebble
from process import Process


@dataclass(frozen=True)
class Contender:
    name: str
    program: str
    #: What to install, or to build, if the program is not there.
    hint: str
    #: (program, CA, names, folder) to the arguments and the environment.
    command: Callable[[str, Pebble, list, Path], tuple]

    def is_there(self):
        return shutil.which(self.program) is not None

    def start(self, ca, names, folder):
        folder.mkdir()
        arguments, environment = self.command(self.program, ca, names, folder)
        return Process([self.program, *arguments], folder / "log", environment)


def https_server(_program, ca, names, folder):
    arguments = ["--directory", ca.directory, "--ca-file", ca.ca_file, "--cache", folder / "cache", "--log", "off"]
    arguments += ["--bind", "127.0.0.1", "--http-port", ca.http_port, "--https-port", ca.tls_port]
    arguments += ["--challenge", "tls-alpn-01"]
    for name in names:
        arguments += ["--host", name]
    return arguments, {}


def many_certificates(_program, ca, names, folder):
    arguments = ["--directory", ca.directory, "--ca-file", ca.ca_file, "--cache", folder / "cache"]
    return arguments + ["--port", ca.tls_port, *names], {}


def go_server(_program, ca, names, folder, *more):
    arguments = ["-directory", ca.directory, "-ca-file", ca.ca_file, "-cache", folder / "cache"]
    return arguments + ["-address", f"127.0.0.1:{ca.tls_port}", "-hosts", ",".join(names), *more], {}


def caddy(_program, ca, names, folder):
    issuer = {
        "module": "acme",
        "ca": ca.directory,
        "trusted_roots_pem_files": [str(ca.ca_file)],
        "challenges": {"http": {"disabled": True}, "tls-alpn": {"alternate_port": ca.tls_port}},
    }
    server = {
        "listen": [f"127.0.0.1:{ca.tls_port}"],
        "automatic_https": {"disable_redirects": True},
        "routes": [{"match": [{"host": names}], "handle": [{"handler": "static_response", "body": "Hello\n"}]}],
    }
    config = {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "storage": {"module": "file_system", "root": str(folder / "cache")},
        "apps": {
            "http": {"http_port": ca.http_port, "https_port": ca.tls_port, "servers": {"server": server}},
            "tls": {"automation": {"policies": [{"issuers": [issuer]}]}},
        },
    }
    (folder / "caddy.json").write_text(json.dumps(config), encoding="utf-8")
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    return ["run", "--config", folder / "caddy.json"], home


BUILD_HINT = "tools/bench builds it"
CADDY = Contender("Caddy", "caddy", "apt-get install caddy", caddy)


def peer(name, build, *more):
    """A Go program of bench/peers."""
    package = f"golang-{'golang-x-crypto' if name == 'autocert' else 'github-caddyserver-certmagic'}-dev"
    hint = f"apt-get install golang-go {package}; {BUILD_HINT}"
    return Contender(name, str(build / "bench" / name.lower()), hint, lambda *rest: go_server(*rest, *more))


def for_first_answer(build):
    evercert = Contender("evercert", str(build / "examples/https_server"), BUILD_HINT, https_server)
    return [evercert, peer("CertMagic", build), CADDY, peer("autocert", build)]


def for_many_certificates(build):
    evercert = Contender("evercert", str(build / "bench/many_certificates"), BUILD_HINT, many_certificates)
    return [evercert, peer("CertMagic", build), peer("autocert", build, "-obtain")]
