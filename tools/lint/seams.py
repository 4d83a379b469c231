#!/usr/bin/env python3
"""Checks that the library reaches the world through its seams alone, so that a simulation can replace them.

Only lib/base asks the system for time, waits on it, opens sockets, resolves names or starts threads; only its
system_disk opens files; only its task_group and spawn call co_spawn.

    tools/lint/seams.py [ROOT]
"""

import re
import sys
from pathlib import Path

from source import ROOT, files, without_comments_and_texts

CLOCK = "time is asked from evercert::clock"
NETWORK = "the network is evercert::network"
DISK = "the disk is evercert::disk"
BLOCKING = "what blocks goes to the blocking worker of lib/base"
SPAWN = "coroutines are started by lib/base/task_group, whose owner joins them"

# (what, why not, where it may stand)
BASE = re.compile(r"lib/base/")
SYSTEM_DISK = re.compile(r"lib/base/system_disk\.cpp")
FILE_CALLS = (
    "open|openat|creat|pread|pwrite|read|write|ftruncate|truncate|fsync|fdatasync|rename|renameat2?|link|linkat|symlink|"
    "unlink|unlinkat|remove|mkdir|mkdirat|rmdir|flock|lockf|stat|lstat|fstat|fstatat|access|faccessat|chmod|fchmod|"
    "opendir|fdopendir|readdir|mkstemps?|mkostemps?|mkdtemp"
)
FORBIDDEN = [
    (r"\b(system_clock|steady_clock|high_resolution_clock|file_clock)\s*::\s*now\b", CLOCK, BASE),
    (r"\b(steady_timer|system_timer|high_resolution_timer|basic_waitable_timer|deadline_timer)\b", CLOCK, BASE),
    (r"\bstd\s*::\s*(time|clock)\s*\(|(?<![\w.>])(::\s*)?time\s*\(\s*(nullptr|NULL|0)\s*\)", CLOCK, BASE),
    (r"\b(clock_gettime|gettimeofday|timespec_get|nanosleep|usleep)\s*\(", CLOCK, BASE),
    (r"\bthis_thread\s*::\s*sleep_", CLOCK, BASE),
    (r"\b(tcp|udp|generic|local)\s*::\s*(socket|acceptor|resolver)\b", NETWORK, BASE),
    (r"\b(posix\s*::\s*)?(basic_)?(stream_descriptor|stream_socket|socket_acceptor)\b", NETWORK, BASE),
    (r"(?<!\w)::\s*(socket|connect|bind|listen|accept4?|getsockname|setsockopt|sendto|recvfrom)\s*\(", NETWORK, BASE),
    (r"\b(getaddrinfo|gethostbyname|ares_\w+)\s*\(", NETWORK, BASE),
    (r"\bstd\s*::\s*(jthread|thread|async)\b(?!\s*::)|\b(asio\s*::\s*)?thread_pool\b", BLOCKING, BASE),
    (rf"(?<![\w>])::\s*({FILE_CALLS})\s*\(", DISK, SYSTEM_DISK),
    (r"\b(openat|renameat|linkat|unlinkat|mkdirat|fsync|fdatasync|ftruncate|flock|fopen|fdopen)\s*\(", DISK, SYSTEM_DISK),
    (r"\bstd\s*::\s*([io]?fstream|filebuf|filesystem)\b|\bstd\s*::\s*(remove|rename)\s*\(", DISK, SYSTEM_DISK),
    (r"\b(get(e?uid|pid|hostname))\s*\(", DISK, SYSTEM_DISK),
    (r"\bco_spawn\b", SPAWN, re.compile(r"lib/base/(task_group|spawn)[_.]")),
]
RULES = [(re.compile(what), why, where) for what, why, where in FORBIDDEN]

# Where a rule does not hold: file -> (rule's reason, why it may).
ACCEPTED = {
    "lib/tls/context.cpp": (DISK, "OpenSSL reads the trusted roots itself"),
    "lib/base/inherited_sockets.cpp": (DISK, "systemd says by a process id whose sockets they are"),
    "lib/testing/temporary_file.cpp": (DISK, "the root of the test CA, for clients that take a file"),
}


def leaks(root):
    """["file:line: what: why not"]"""
    found = []
    for path in files(root, "lib", "include"):
        text = without_comments_and_texts((Path(root) / path).read_text(encoding="utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            for what, why, where in RULES:
                match = what.search(line)
                if not match or where.match(path.as_posix()) or line.lstrip().startswith("#"):
                    continue
                if ACCEPTED.get(path.as_posix(), ("",))[0] != why:
                    found.append(f"{path}:{number}: {match[0].strip()}: {why}")
    return found


def main():
    found = leaks(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    print("\n".join([*found, f"{len(found)} ways around the seams"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
