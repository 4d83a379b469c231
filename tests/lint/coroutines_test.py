#!/usr/bin/env python3
"""The coroutine lint names every unsafe form, and no safe one."""

import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/lint"))
import coroutines  # noqa: E402


def expected(path):
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    marks = ((number, re.search(r"// expect: ([A-Z]+)$", line)) for number, line in enumerate(lines, 1))
    return [(number, mark[1]) for number, mark in marks if mark]


class Coroutines(unittest.TestCase):
    def test_every_unsafe_form_is_found_and_nothing_else(self):
        marks = expected("tests/gcc12/unsafe_forms.cpp")
        self.assertEqual({kind for _, kind in marks}, {"AGG", "TERNARY", "LAMBDA", "THROW"})
        found = [(line, kind) for line, kind, _ in coroutines.findings("tests/gcc12/unsafe_forms.cpp")]
        self.assertEqual(found, marks)

    def test_no_safe_form_is_found(self):
        self.assertEqual(coroutines.findings("tests/gcc12/safe_forms_test.cpp"), [])

    def test_a_file_that_does_not_compile_is_no_clean_file(self):
        with self.assertRaises(RuntimeError):
            coroutines.findings("tests/gcc12/no_such_file.cpp")


if __name__ == "__main__":
    unittest.main()
