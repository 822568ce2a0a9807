"""`python -m launcher`: the whole system in one terminal, until Ctrl+C.

Not a command of manage.py, for it needs the settings alone: without Django's apps it starts
in a fraction of the time, and whatever is broken in them is shown by the process it breaks.
"""

import multiprocessing
import signal
import subprocess
import sys

from launcher.preflight import CannotStart, check_ports, lock
from launcher.system import assemble, environment
from tradingsite import settings

STOPPED_BY_USER = {130, 143}  # honcho's codes for SIGINT and SIGTERM


def main() -> int:
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    try:
        held = lock(settings.VAR_DIR)
        check_ports(listening_addresses())
    except CannotStart as refusal:
        print(refusal.why, file=sys.stderr)  # noqa: T201
        return 2
    with held:
        return run()


def listening_addresses() -> dict[str, tuple[str, int]]:
    addresses = {
        "PORT": (settings.BIND, settings.PORT),
        "WS_PORT": (settings.BIND, settings.WS_PORT),
    }
    if settings.STARTS_SANDBOX:
        addresses["SANDBOX_PORT"] = ("127.0.0.1", settings.SANDBOX_PORT)
    return addresses


def run() -> int:
    """Prepare the database, then keep all processes alive until asked to stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        subprocess.run(
            [sys.executable, "manage.py", "prepare"],
            cwd=settings.BASE_DIR,
            env=environment(),
            check=True,
        )
    except subprocess.CalledProcessError as error:
        return error.returncode  # it has said why
    # Honcho's processes are forks: they hold the lock on, and need no copy of what they run.
    multiprocessing.set_start_method("fork")
    system = assemble()
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    system.loop()
    return 0 if system.returncode in STOPPED_BY_USER else int(system.returncode or 0)


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)
