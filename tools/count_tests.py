#!/usr/bin/env python3
"""Counts the test cases in a log of `meson test` and ends with the line `N passed, N failed`.

    tools/count_tests.py build/meson-logs/testlog.json

A program counts as the cases that its own summary names (Catch2, Python's unittest); without a summary it counts as
one. A program that fails although its summary does not say so (a crash, a time-out, a sanitizer's report at exit) is
one more failure.
"""

import json
import re
import sys

ALL_PASSED = re.compile(r"^All tests passed \(.* in (\d+) test cases?\)$", re.M)
SUMMARY = re.compile(r"^test cases:.*$", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?$", re.M)
OUTCOME = re.compile(r"(\d+) (passed|failed as expected|failed|skipped)")


def catch2_summary(output):
    """(passed, failed, skipped) from the last summary that Catch2 printed, or None."""
    if match := ALL_PASSED.search(output):
        return int(match[1]), 0, 0
    if lines := SUMMARY.findall(output):
        count = {kind: int(number) for number, kind in OUTCOME.findall(lines[-1])}
        passed = count.get("passed", 0) + count.get("failed as expected", 0)
        return passed, count.get("failed", 0), count.get("skipped", 0)
    return None


def unittest_summary(output):
    """(passed, failed, skipped) from the summary of Python's unittest, or None."""
    if match := UNITTEST.search(output):
        count = {kind: int(number) for kind, number in re.findall(r"(\w+)=(\d+)", match[2] or "")}
        failed, skipped = count.get("failures", 0) + count.get("errors", 0), count.get("skipped", 0)
        return int(match[1]) - failed - skipped, failed, skipped
    return None


def count(test):
    """(passed, failed, skipped) of one program."""
    if test["result"] == "SKIP":
        return 0, 0, 1
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    passed, failed, skipped = (
        catch2_summary(test.get("stdout", "")) or unittest_summary(test.get("stderr", ""))
        or ((1, 0, 0) if good else (0, 1, 0)))
    if not good and failed == 0:
        failed = 1
    return passed, failed, skipped


def main():
    with open(sys.argv[1], encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    passed, failed, skipped = (sum(column) for column in zip(*map(count, tests))) if tests else (0, 0, 0)
    for test in tests:
        if test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP"):
            print(f"failed: {test['name']} ({test['result'].lower()})")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
