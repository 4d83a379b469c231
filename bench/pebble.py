"""Let's Encrypt's test CA and its test DNS, in which every name is 127.0.0.1, on free ports of 127.0.0.1."""

import json
import signal
import ssl
import subprocess
import urllib.request

from process import Process, free_port

START_TIMEOUT = 60


def make_certificates(folder):
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split()
    root = ["-subj", "/CN=Root of a test CA's API", "-keyout", "ca.key", "-out", "ca.pem"]
    server = ["-subj", "/CN=localhost", "-CA", "ca.pem", "-CAkey", "ca.key"]
    server += ["-addext", "basicConstraints=critical,CA:FALSE"]
    server += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    server += ["-keyout", "localhost.key", "-out", "localhost.pem"]
    for arguments in (root, server):
        subprocess.run(request + arguments, cwd=folder, check=True, capture_output=True)


def listens(kind, port):
    with open(f"/proc/net/{kind}", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    state = {"tcp": "0A", "udp": "07"}[kind]
    return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in rows)


class Pebble:
    """Never sleeps before a validation and refuses no nonce: what is measured is the client."""

    def __init__(self, folder):
        folder.mkdir()
        make_certificates(folder)
        self.ca_file = folder / "ca.pem"
        self.http_port, self.tls_port = free_port(), free_port()
        api, management, dns, dns_management = (free_port() for _ in range(4))
        self.directory = f"https://127.0.0.1:{api}/dir"
        self._management = f"https://127.0.0.1:{management}"
        config = {
            "listenAddress": f"127.0.0.1:{api}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(folder / "localhost.pem"),
            "privateKey": str(folder / "localhost.key"),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "domainBlocklist": [],
            "retryAfter": {"authz": 0, "order": 0},
            "keyAlgorithm": "ecdsa",
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": config}), encoding="utf-8")

        dns_command = ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{dns_management}"]
        dns_command += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]
        self._dns = Process(dns_command, folder / "dns.log")
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        command = ["pebble", "-config", folder / "pebble.json", "-dnsserver", f"127.0.0.1:{dns}"]
        self._ca = Process(command, folder / "pebble.log", environment)
        self._dns.wait_for("the test DNS", lambda: listens("udp", dns) and listens("tcp", dns_management), START_TIMEOUT)
        self._ca.wait_for("Pebble", lambda: listens("tcp", api) and listens("tcp", management), START_TIMEOUT)

    def trusting_context(self):
        """For clients that trust the root of the certificates that it issues."""
        context = ssl.create_default_context(cafile=self.ca_file)
        with urllib.request.urlopen(f"{self._management}/roots/0", context=context, timeout=10) as answer:
            return ssl.create_default_context(cadata=answer.read().decode())

    def stood_still(self):
        """Ends it and tells whether its memory store was in a deadlock: Pebble 2.4 takes read locks within read
        locks, so many orders at once, some placed while others are polled, can stop it for good.
        """
        # A Go program prints what each goroutine waits for.
        self._ca.stop(signal.SIGQUIT)
        dump = self._ca.output()
        return "[semacquire]" in dump and "db/memorystore.go" in dump

    def cpu_seconds(self):
        return self._ca.cpu_seconds()

    def stop(self):
        self._ca.stop()
        self._dns.stop()
