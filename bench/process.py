"""A program that a benchmark starts, and what it cost."""

import atexit
import os
import signal
import socket
import subprocess
import time

STOP_TIMEOUT = 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class InVain(RuntimeError):
    """What was waited for did not happen."""


class Process:
    """Its output is in a file; `stop` returns the CPU time of its whole life."""

    def __init__(self, arguments, log, environment=None):
        self.log = log
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )
        self.pid = self._process.pid
        # Whatever happens, nothing is left running.
        atexit.register(self.stop)

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def is_running(self):
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait_for(self, what, happened, timeout, pause=0.001):
        deadline = time.monotonic() + timeout
        while not happened():
            if not self.is_running() or time.monotonic() > deadline:
                raise InVain(f"waiting for {what} was in vain; {self.log.name}:\n{self.output()[-2000:]}")
            time.sleep(pause)

    def cpu_seconds(self):
        """Until now, in steps of 10 ms."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, by=signal.SIGTERM):
        if self._process.returncode is not None:
            return 0.0
        os.kill(self.pid, by)
        deadline = time.monotonic() + STOP_TIMEOUT
        while self.is_running():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                break
            time.sleep(0.001)
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        atexit.unregister(self.stop)
        return usage.ru_utime + usage.ru_stime
