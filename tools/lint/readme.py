#!/usr/bin/env python3
"""The first C++ block of the README is examples/quickstart.cpp, which is compiled."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
shown = re.search(r"```cpp\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
real = (root / "examples/quickstart.cpp").read_text()
if not shown or shown.group(1) != real:
    sys.exit("README.md: its first C++ block differs from examples/quickstart.cpp")
if len(real.splitlines()) > 25:
    sys.exit("examples/quickstart.cpp: a quick start has at most 25 lines")
