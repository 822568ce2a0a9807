"""Parent-death signal and watchdog: nothing outlives a launcher that is killed outright.

The signal is the kernel's: Linux sends SIGTERM to each child as the launcher dies. The watchdog is
a shell that kills, after GRACE_S, what has not obeyed by then or was left by what has.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial

GRACE_S = 5
PR_SET_PDEATHSIG = 1  # Linux, prctl(2)
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

# Its input ends when the launcher does; the last line of it holds the process groups of then.
WATCHDOG = """
trap '' HUP INT TERM
while read -r line; do groups=$line; done
for second in $(seq "$1"); do
    alive=
    for group in $groups; do kill -0 "-$group" && alive="$alive $group"; done
    groups=$alive
    test "$groups" || exit
    sleep 1
done
for group in $groups; do kill -9 "-$group"; done
"""


def stop_with_this_process() -> Callable[[], None]:
    """A `preexec_fn` that has the kernel send SIGTERM to the new process when this one dies.

    More exactly, when the thread dies that starts it. Linux alone can; elsewhere it does nothing.
    """
    return partial(_set_parent_death_signal, os.getpid())


def _set_parent_death_signal(parent: int) -> None:
    # Between fork and exec, and so nothing but system calls: other threads may have held locks.
    if _libc is None:
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not our handler, which would swallow it
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it has died before it could be asked for
        os._exit(1)


class Watchdog:
    """Kills the process groups that it was told last if this process dies without `close()`."""

    def __init__(self, grace_s: int = GRACE_S) -> None:
        end, self._input = os.pipe()
        self._shell = subprocess.Popen(
            ["sh", "-c", WATCHDOG, "watchdog", str(grace_s)],
            stdin=end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(end)

    def watch(self, groups: Iterable[int]) -> None:
        """From now on these, by their ids, and no others."""
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it
            os.write(self._input, f"{' '.join(map(str, groups))}\n".encode())

    def close(self) -> None:
        self.watch(())
        os.close(self._input)
        with contextlib.suppress(subprocess.TimeoutExpired):  # somebody has stopped it
            self._shell.wait(1)
