"""All processes that one child leads to: what memory they have, and their end.

A decoder runs inner decoders, as a rule in sessions of their own, so neither its process group nor its session is all
of it. What belongs to it has a mark in its environment, which children inherit, or a parent or a session that belongs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence

import psutil

#: The variable whose value is the mark.
MARK = "VCM_CONFORMANCE_RUN"

_PAUSE_S = 0.01
_GIVE_UP_S = 10.0  # only what hangs inside the kernel outlives SIGKILL


class ProcessTree:
    """The processes of one child.

    To be made in two steps, because a short-lived child may have started others before anybody looks:
    the tree before the child (whatever runs then is none of its processes), and then :meth:`lead`.
    """

    def __init__(self) -> None:
        self.mark = os.urandom(16).hex()
        self._before = frozenset(psutil.pids())
        self._foreign = set(self._before)
        self._members: dict[int, psutil.Process] = {}
        self._leader = -1

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """``environment`` with the mark, for the child."""
        return {**environment, MARK: self.mark}

    def lead(self, pid: int) -> None:
        """Say which process the child is. It leads a session of its own."""
        self._leader = pid
        self._foreign.discard(pid)
        self._add(pid)

    def memory(self) -> int:
        """Resident memory of all processes now, in bytes; what several share is counted for each."""
        self._look()
        return sum(_resident(process) for process in self._members.values())

    def proportional_memory(self) -> int:
        """As :meth:`memory`, with what several share counted once, where the system tells; slower."""
        self._look()
        return sum(_proportional(process) for process in self._members.values())

    def kill(self) -> list[int]:
        """End all of them. Returns the numbers of those that would not end."""
        deadline = time.monotonic() + _GIVE_UP_S
        while True:
            self._foreign = set(self._before)  # who was met between fork and exec may have been taken for another
            self._look()
            alive = [process for process in self._members.values() if _is_alive(process)]
            if not alive:
                return []
            if time.monotonic() > deadline:
                return [process.pid for process in alive]
            self._kill_group(alive)
            for process in alive:
                try:
                    process.kill()
                except psutil.Error:
                    continue
            time.sleep(_PAUSE_S)

    def _kill_group(self, alive: Sequence[psutil.Process]) -> None:
        """The child's group at once, so that none in it can start another meanwhile."""
        try:
            # While one of ours is in it, the group's number cannot have become somebody else's.
            if any(os.getpgid(process.pid) == self._leader for process in alive):
                os.killpg(self._leader, signal.SIGKILL)
        except OSError:
            return

    def _look(self) -> None:
        """Forget members that have gone, find others among the processes that are new."""
        pids = set(psutil.pids())
        self._foreign &= pids
        self._members = {pid: process for pid, process in self._members.items() if pid in pids}
        new = pids - self._foreign - self._members.keys()
        for _ in range(2):  # a parent may have a higher number than its child
            for pid in sorted(new - self._members.keys()):
                if self._belongs(pid):
                    self._add(pid)
        self._foreign |= new - self._members.keys()

    def _belongs(self, pid: int) -> bool:
        try:
            if os.getsid(pid) == self._leader:
                return True
            process = psutil.Process(pid)
            return process.ppid() in self._members or process.environ().get(MARK) == self.mark
        except (psutil.Error, OSError):  # it has ended, or is somebody else's
            return False

    def _add(self, pid: int) -> None:
        try:
            self._members[pid] = psutil.Process(pid)
        except psutil.Error:
            return


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except psutil.Error:
        return False


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except AttributeError:  # Linux alone has it
        return _resident(process)
    except psutil.Error:
        return 0
