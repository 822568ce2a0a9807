"""Seconds until the whole system is healthy, and the memory that it takes when idle.

`python -m benchmarks.idle [--idle 60]`

`python -m launcher` is started twice in a temporary VAR_DIR, on free ports, with the sandbox and
its two symbols. Both times the seconds are told until `/health` answers 200, and the processor's
seconds of all processes by then, which depend less on what else the machine does. The first start
makes the database, the second finds it. Then nothing is asked for `--idle` seconds, and the
proportional set size of each process is read: what it shares with others counts in equal parts,
so other Python processes on the machine make it a little less.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.launched import Launched
from tests.servers import family

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float:
    """Proportional set size of a process in MiB, from /proc."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.split("\nPss:")[1].split()[0]) / 1024


def processor_s(pid: int) -> float:
    """The processor's seconds that a process and its children that have ended took, from /proc."""
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, times)) / TICKS_A_SECOND


def command(pid: int) -> str:
    """The command line without its interpreter and its folder."""
    words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    if Path(words[0]).name.startswith("python"):
        words.pop(0)
    return " ".join([Path(words[0]).name, *words[1:]]).replace("\n", " ")


def measure(start: str, folder: Path, idle_s: float) -> None:
    began = time.monotonic()
    system = Launched(folder)
    try:
        system.await_healthy()
        took_s = time.monotonic() - began
        busy_s = sum(processor_s(pid) for pid in family(system.pid))
        print(f"{start} start: healthy after {took_s:.1f} s, {busy_s:.1f} s of a processor")
        time.sleep(idle_s)
        sizes = {pid: pss_mb(pid) for pid in family(system.pid)}
        for pid, size in sizes.items():
            print(f"  {size:6.1f} MiB  {command(pid)[:64]}")
        print(f"  {sum(sizes.values()):6.1f} MiB  in all, after {idle_s:g} s", flush=True)
    finally:
        system.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    idle_s = parser.parse_args().idle
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else every start compiles all modules
    with tempfile.TemporaryDirectory(prefix="idle-") as folder:
        for start in ("first", "second"):
            measure(start, Path(folder), idle_s)


if __name__ == "__main__":
    main()
