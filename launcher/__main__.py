"""`python -m launcher`: the whole system in one terminal, until Ctrl+C.

Not a command of manage.py: it loads nothing of Django, and whatever is broken there is shown by
the process that it breaks.
"""

import asyncio
import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from launcher import system
from launcher.configuration import Configuration
from launcher.output import Output
from launcher.preflight import CannotStart, check_ports, lock
from launcher.preparation import Preparation


def main() -> int:
    os.umask(0o077)  # what is written is its owner's alone
    try:
        with closing(Output(sys.stdout.fileno(), system.NAMES)) as output:
            return asyncio.run(launch(output))
    except CannotStart as refusal:
        sys.stderr.write(f"{refusal.why}\n")
        return 2


async def launch(output: Output) -> int:
    """Run the system until a signal asks to stop it; the launcher's exit code."""
    cancel_on_signal(asyncio.current_task(), output)
    try:
        preparation = await Preparation.start()
        try:
            configuration = await preparation.configuration()
            if configuration is None:
                return await preparation.returncode()
            with lock(Path(configuration.var_dir)) as held:
                check_ports(listening_addresses(configuration))
                return await system.run(configuration, preparation, output, held.fileno())
        finally:
            await preparation.kill()
    except asyncio.CancelledError:
        return 0


def cancel_on_signal(task: "asyncio.Task[int] | None", output: Output) -> None:
    """The first signal cancels the task; the stop that follows is bounded, so more are ignored."""
    loop = asyncio.get_running_loop()
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else it runs under nohup
        signals.append(signal.SIGHUP)

    def stop(number: signal.Signals) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        output.say(f"{number.name} received")
        if task is not None:
            task.cancel()

    for number in signals:
        loop.add_signal_handler(number, stop, number)


def listening_addresses(configuration: Configuration) -> dict[str, tuple[str, int]]:
    addresses = {
        "PORT": (configuration.bind, configuration.port),
        "WS_PORT": (configuration.bind, configuration.ws_port),
    }
    if configuration.starts_sandbox:
        addresses["SANDBOX_PORT"] = ("127.0.0.1", configuration.sandbox_port)
    return addresses


if __name__ == "__main__":
    sys.exit(main())
