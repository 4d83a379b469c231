#!/usr/bin/env python3
"""What tools/test reports is what the programs said of themselves."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import count_tests  # noqa: E402


def counted(result, stdout="", stderr=""):
    return count_tests.count({"name": "a", "result": result, "stdout": stdout, "stderr": stderr})


class Count(unittest.TestCase):
    def test_a_catch2_program_counts_as_its_cases(self):
        self.assertEqual(counted("OK", "All tests passed (12 assertions in 3 test cases)\n"), (3, 0, 0))
        self.assertEqual(counted("OK", "All tests passed (1 assertion in 1 test case)\n"), (1, 0, 0))

    def test_failed_and_skipped_cases_are_told_apart(self):
        summary = "test cases: 7 | 4 passed | 1 skipped | 2 failed\nassertions: 9 | 7 passed | 2 failed\n"
        self.assertEqual(counted("FAIL", summary), (4, 2, 1))
        self.assertEqual(counted("OK", "test cases: 2 | 1 passed | 1 failed as expected\n"), (2, 0, 0))

    def test_a_leak_after_all_cases_passed_is_a_failure(self):
        self.assertEqual(counted("FAIL", "All tests passed (2 assertions in 2 test cases)\n"), (2, 1, 0))

    def test_a_program_without_a_summary_is_one_test(self):
        self.assertEqual(counted("OK"), (1, 0, 0))
        self.assertEqual(counted("TIMEOUT"), (0, 1, 0))
        self.assertEqual(counted("ERROR"), (0, 1, 0))
        self.assertEqual(counted("SKIP"), (0, 0, 1))

    def test_a_python_test_counts_as_its_cases(self):
        self.assertEqual(counted("OK", "", "Ran 5 tests in 0.1s\n\nOK\n"), (5, 0, 0))
        failed = "Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)\n"
        self.assertEqual(counted("FAIL", "", failed), (2, 2, 1))


if __name__ == "__main__":
    unittest.main()
