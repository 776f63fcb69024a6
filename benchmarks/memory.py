"""Resident memory of this process, from Linux; None on other systems, where nothing is said of memory."""

from __future__ import annotations

import ctypes
from pathlib import Path

STATUS = Path("/proc/self/status")


def forget_peak() -> float | None:
    """Let the peak begin anew, so that it is not that of making the input; the memory (MiB) that the process holds now.

    What the allocator keeps for later is given back first: a call that took it up again would seem to need none.
    """
    if not STATUS.exists():
        return None
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc
        libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _mib("VmRSS")


def peak_mib() -> float | None:
    """Greatest resident memory (MiB) since ``forget_peak``. Not ru_maxrss: Linux hands the parent's down to a new process."""
    return _mib("VmHWM") if STATUS.exists() else None


def _mib(field: str) -> float:
    line = next(one for one in STATUS.read_text().splitlines() if one.startswith(field))
    return int(line.split()[1]) / 1024
