#!/usr/bin/env python3
"""Finds the coroutine expressions that GCC 12 miscompiles, with clang-query-19.

    tools/lint/coroutines.py              every C++ file of lib, include, examples, tests and bench that awaits
    tools/lint/coroutines.py FILE...      these

Prints `file:line: KIND: the line` for each finding and fails if there is one. CONTRIBUTING.md says what each kind is
and what to write instead.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUERY = ROOT / "tools/lint/gcc12_coroutines.query"
CLANG_QUERY = os.environ.get("CLANG_QUERY", "clang-query-19")
FLAGS = """-std=c++20 -w -Iinclude -Ilib -Itests/support -Itests -DASIO_STANDALONE -DASIO_SEPARATE_COMPILATION
           -DASIO_NO_DEPRECATED -DASIO_HAS_STD_ALIGNED_ALLOC=1 -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1
           -DEVERCERT_VERSION="lint" -DSOURCE_ROOT="lint" -xc++""".split()

# What is flagged on purpose, for the lint's own test.
EXCLUDED = {"tests/gcc12/unsafe_forms.cpp"}

# False alarms: (file, kind, the source line without indentation, why it is safe). An entry that no longer matches
# anything is an error too.
ACCEPTED = [
]

FINDING = re.compile(r'^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): note: "(?P<kind>[A-Z]+)" binds here$', re.M)


def captures_by_reference_alone(line, column):
    """True if the lambda that begins there captures nothing but references and `this`: they have no destructor."""
    captures = re.match(r"\[([^\]]*)\]", line[column - 1 :])
    return bool(captures) and all(
        re.fullmatch(r"&\w*|this", capture.strip()) for capture in captures[1].split(",")
    )


def findings(path):
    """[(line, kind, text)] of one file, path relative to the root. Raises RuntimeError if it does not compile."""
    run = subprocess.run(
        [CLANG_QUERY, "-f", str(QUERY), str(path), "--", *FLAGS],
        cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    output = run.stdout + run.stderr
    if run.returncode != 0 or re.search(r"^.*: (fatal )?error: ", output, re.M) or "Error parsing" in output:
        raise RuntimeError(f"{path}: clang-query failed\n{output[-2000:]}")
    source = (ROOT / path).read_text(encoding="utf-8").splitlines()
    found = set()
    for match in FINDING.finditer(output):
        number, column, kind = int(match["line"]), int(match["column"]), match["kind"]
        line = source[number - 1]
        if kind == "LAMBDA" and captures_by_reference_alone(line, column):
            continue
        found.add((number, kind, line.strip()))
    return sorted(found)


def files_that_await():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.cpp", "*.hpp"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = ("lib/", "include/", "examples/", "tests/", "bench/")
    return [
        name for name in listed
        if name.startswith(folders) and name not in EXCLUDED and (ROOT / name).exists()
        and "co_await" in (ROOT / name).read_text(encoding="utf-8")
    ]


def main():
    every = len(sys.argv) == 1
    paths = files_that_await() if every else sys.argv[1:]
    stale = set(ACCEPTED) if every else set()
    bad = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        runs = [(path, pool.submit(findings, path)) for path in paths]
        for path, run in runs:
            try:
                found = run.result()
            except RuntimeError as failure:
                print(failure)
                bad += 1
                continue
            for line, kind, text in found:
                accepted = [entry for entry in ACCEPTED if entry[:3] == (path, kind, text)]
                stale.difference_update(accepted)
                if not accepted:
                    print(f"{path}:{line}: {kind}: {text}")
                    bad += 1
    for path, kind, text, _ in sorted(stale):
        print(f"{path}: accepted, but no longer found: {kind}: {text}")
        bad += 1
    print(f"{len(paths)} files, {bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
