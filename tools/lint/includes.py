#!/usr/bin/env python3
"""Checks that `#include` lines follow the layers (docs/architecture.md). Prints each arrow that goes the wrong way.

    tools/lint/includes.py [ROOT]
"""

import re
import sys
from pathlib import Path

from source import ROOT, files, without_comments

# Layer -> the layers below that it may include, besides itself and the public headers.
LAYERS = {
    "base": set(),
    "crypto": {"base"},
    "tls": {"base", "crypto"},
    "http": {"base", "crypto", "tls"},
    "dns": {"base"},
    "acme": {"base", "crypto", "tls", "http"},
    "challenge": {"base", "crypto", "tls", "http", "dns", "acme"},
    "issuance": {"base", "crypto", "tls", "http", "dns", "acme", "challenge"},
    "store": {"base", "crypto", "http"},  # http: an engine may be a service
    "lookup": {"base", "crypto"},
    "renewal": {"base"},
    "ledger": {"base"},
    "server": {"base", "crypto", "tls", "http"},
}
LAYERS["manager"] = set(LAYERS)
LAYERS["testing"] = set(LAYERS)

# What a user has to install to compile against evercert.
PUBLIC_LIBRARIES = {"asio", "openssl", "evercert"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def includes(text):
    """[(line, quoted, path)]"""
    text = without_comments(text)
    return [(text.count("\n", 0, m.start(2)) + 1, m[1] == '"', m[2]) for m in INCLUDE.finditer(text)]


def wrong_in_public_header(quoted, path):
    first = path.split("/")[0]
    if quoted:
        return "a public header includes by <evercert/...>, so that it works when installed"
    if "/" in path and first in LAYERS:
        return "a public header includes nothing of lib/"
    if "/" in path and first not in PUBLIC_LIBRARIES | {"sys", "netinet", "arpa"}:
        return "a public header needs no other library than " + ", ".join(sorted(PUBLIC_LIBRARIES - {"evercert"}))
    return None


def wrong_in_layer(layer, path):
    first = path.split("/")[0]
    if ".." in path.split("/"):
        return "paths in lib/ begin with the layer"
    if path.startswith("evercert/testing/") and layer != "testing":
        return "only lib/testing sees the public headers for tests"
    if "/" in path and first in LAYERS and first != layer and first not in LAYERS[layer]:
        return f"{layer} does not see {first}"
    return None


def wrong_arrows(root):
    """["file:line: why"]"""
    wrong = []
    for path in files(root, "include", "lib", "examples"):
        top, *rest = path.parts
        layer = rest[0] if top == "lib" else None
        if top == "lib" and layer not in LAYERS:
            wrong.append(f"{path}:1: lib/{layer} is no layer that tools/lint/includes.py knows")
            continue
        for line, quoted, included in includes((Path(root) / path).read_text(encoding="utf-8")):
            if top == "include":
                why = wrong_in_public_header(quoted, included)
            elif top == "lib":
                why = wrong_in_layer(layer, included)
            else:
                first = included.split("/")[0]
                why = "an example sees public headers alone" if "/" in included and first in LAYERS else None
            if why:
                wrong.append(f"{path}:{line}: {included}: {why}")
    return wrong


def main():
    wrong = wrong_arrows(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    print("\n".join([*wrong, f"{len(wrong)} wrong arrows"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
