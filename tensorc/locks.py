"""The two locks of tensorc. Both are held across a fork, so that a child finds them free and nothing half done."""

from __future__ import annotations

import os
import threading

LOCK = threading.RLock()
"""Held while anything is traced, compiled or linked: LLVM and the tables of nodes are shared. A thread may hold it several times, since
Python that is traced may call and compile."""

BRIEF = threading.Lock()
"""Held for moments, to count and to look things up. Who holds it takes no other lock."""


def _before_fork() -> None:
    LOCK.acquire()
    BRIEF.acquire()


def _after_fork() -> None:
    BRIEF.release()
    LOCK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
