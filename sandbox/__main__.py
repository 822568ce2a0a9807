"""`python -m sandbox`: starts an exchange on a port, and says so in one line."""

import argparse
import asyncio
import decimal
import logging
import os
import signal
import sys

from sandbox.clock import Clock
from sandbox.data.recordings import BadRecording
from sandbox.engine.exchange import Exchange
from sandbox.faults.storm import StormConfig
from sandbox.options import build_config, build_parser, build_storm
from sandbox.server import SandboxServer

DECIMAL_DIGITS = 60  # a price times a quantity, summed over a month, never needs rounding


def describe(exchange: Exchange, storm: StormConfig | None, host: str, port: int) -> str:
    config = exchange.config
    mode = f"random market, seed {config.seed}"
    if config.replay:
        mode = f"replay of {len(config.replay)} file(s) at speed {config.speed}"
    if storm:
        mode += f", storm {storm.seed}"
    names = list(exchange.markets)
    shown = ",".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"sandbox: http://{host}:{port}, {mode}, {shown}"


async def serve(exchange: Exchange, storm: StormConfig | None, host: str, port: int) -> None:
    """Run until a signal asks to stop, or the simulation fails."""
    server = SandboxServer(exchange)
    if storm:
        server.faults.start_storm(storm, exchange.first_trade_ms)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        bound = await server.start(host, port)
        sys.stdout.write(describe(exchange, storm, host, bound) + "\n")
        sys.stdout.flush()
        waiting = asyncio.create_task(stop.wait())
        running = asyncio.create_task(server.wait_for_failure())
        await asyncio.wait({waiting, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        await server.stop()


def main() -> int:
    parser = build_parser()
    arguments = parser.parse_args()
    if arguments.speed and not arguments.replay:
        parser.error("--speed goes with --replay")
    if arguments.storm is None and (arguments.storm_every or arguments.storm_faults):
        parser.error("--storm-every and --storm-faults go with --storm")
    decimal.getcontext().prec = DECIMAL_DIGITS
    logging.basicConfig(format="sandbox: %(levelname)s %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # malformed HTTP gets its 400
    try:
        exchange = Exchange(build_config(arguments), Clock())
        storm = build_storm(arguments)
        asyncio.run(serve(exchange, storm, arguments.host, arguments.port))
    except (BadRecording, OSError) as error:
        sys.stderr.write(f"sandbox: {_explain(error, arguments)}\n")
        return 2
    return 0


def _explain(error: Exception, arguments: argparse.Namespace) -> str:
    if isinstance(error, OSError):
        where = f"{arguments.host}:{arguments.port}"
        return f"cannot listen on {where}: {os.strerror(error.errno or 0)}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
