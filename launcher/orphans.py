"""No process outlives the one that started it, even where that one is killed outright."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1  # Linux, prctl(2)
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def stop_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent dies. Linux alone can."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
