"""How figures are printed."""

import datetime
import os
from statistics import median


def conditions(title, runs):
    """What else ran is part of every figure."""
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    today = datetime.date.today().isoformat()
    print(f"\n{title}\n{today}, {cores} cores, load average {load:.2f} before, {runs}", flush=True)


def load_after():
    print(f"load average {os.getloadavg()[0]:.2f} after", flush=True)


def skipped(contenders):
    """The contenders that can run; the others are named with what they need."""
    for contender in contenders:
        if not contender.is_there():
            print(f"{contender.name} is skipped: {contender.hint}")
    return [contender for contender in contenders if contender.is_there()]


def summary(values):
    return [f"{median(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}"]


def table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join([str(row[0]).ljust(widths[0]), *cells]))
