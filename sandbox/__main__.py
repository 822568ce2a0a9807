"""`python -m sandbox`: arguments in, a venue on a port, one line of what it is."""

import argparse
import asyncio
import decimal
import logging
import os
import signal
import sys
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from sandbox.clock import DAY_MS, Clock
from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET, Credentials, SandboxConfig
from sandbox.data.recordings import BadRecording
from sandbox.data.symbols import KNOWN_LISTINGS, QUOTE_VALUES_USDT, split_symbol
from sandbox.engine.exchange import Exchange
from sandbox.faults.registry import FEED_FAULTS
from sandbox.faults.storm import EVERY_S, Forecast
from sandbox.server import Server

LIFETIME_HELP = "of a WebSocket connection, a day where nothing is said"
DIGITS = 60  # a price times a quantity, summed over a month, never needs rounding
HIGHEST_FEE = Decimal("0.1")


def symbols(text: str) -> list[str]:
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    for name in names:
        try:
            split_symbol(name)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return list(dict.fromkeys(names))


def fee(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value <= HIGHEST_FEE:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and {HIGHEST_FEE}")
    return value


def asset(text: str) -> str:
    known = sorted({*QUOTE_VALUES_USDT, *(entry.rules.base for entry in KNOWN_LISTINGS.values())})
    if text.upper() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")
    return text.upper()


def above_zero(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above zero")
    return value


def port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def fault_names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        Forecast(0, faults=names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def storm_pause(text: str) -> Fraction:
    value = above_zero(text)
    try:
        Forecast(0, float(value))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


def parser() -> argparse.ArgumentParser:
    known = argparse.ArgumentParser(
        prog="python -m sandbox", description="A local exchange that speaks Binance Spot."
    )
    add = known.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=port, default=9090, help="0 picks a free one")
    add("--symbols", type=symbols, default=[], metavar="A,B", help="listed besides the known ones")
    add("--seed", type=int, default=1, help="the same seed draws the same market and books")
    add("--rate", type=above_zero, default=Fraction(1), help="how lively the random market is")
    add("--replay", type=Path, nargs="+", default=[], metavar="FILE", help="recorded trades, CSV")
    add("--speed", type=above_zero, default=None, help="of the replay; 60 makes minutes seconds")
    add("--lifetime", type=above_zero, default=None, metavar="SECONDS", help=LIFETIME_HELP)
    add("--storm", type=int, default=None, metavar="SEED", help="strike faults drawn by this seed")
    add("--storm-every", type=storm_pause, default=None, metavar="SECONDS", help="on average, 5")
    add("--storm-faults", type=fault_names, default=None, metavar="A,B", help="else all of feeds")
    add("--fee", type=fee, default=Decimal("0.001"), help="of what is received")
    add(
        "--fee-asset",
        type=asset,
        default=None,
        metavar="BNB",
        help="to pay fees in, while it lasts",
    )
    add("--api-key", default=os.environ.get("BINANCE_API_KEY") or SAMPLE_KEY)
    add("--api-secret", default=os.environ.get("BINANCE_API_SECRET") or SAMPLE_SECRET)
    return known


def plan(arguments: argparse.Namespace) -> SandboxConfig:
    return SandboxConfig(
        symbols=arguments.symbols,
        seed=arguments.seed,
        rate=float(arguments.rate),
        fee=arguments.fee,
        fee_asset=arguments.fee_asset,
        replay=tuple(arguments.replay),
        speed=arguments.speed or Fraction(1),
        credentials=Credentials(arguments.api_key, arguments.api_secret),
        lifetime_ms=int(arguments.lifetime * 1000) if arguments.lifetime else DAY_MS,
    )


def forecast(arguments: argparse.Namespace) -> Forecast | None:
    """The storm asked for; None where there is none."""
    if arguments.storm is None:
        return None
    every_s = float(arguments.storm_every or EVERY_S)
    return Forecast(arguments.storm, every_s, arguments.storm_faults or tuple(FEED_FAULTS))


def described(exchange: Exchange, storm: Forecast | None, host: str, port: int) -> str:
    plan = exchange.config
    mode = (
        f"replay of {len(plan.replay)} file(s) at speed {plan.speed}"
        if plan.replay
        else (f"random market, seed {plan.seed}")
    )
    if storm:
        mode += f", storm {storm.seed}"
    names = list(exchange.markets)
    shown = ",".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"sandbox: http://{host}:{port}, {mode}, {shown}"


async def serve(exchange: Exchange, storm: Forecast | None, host: str, port: int) -> None:
    """Run until a signal asks to stop, or the markets break down."""
    server = Server(exchange)
    if storm:
        server.faults.let_storm(storm, exchange.first_trade_ms)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        bound = await server.start(host, port)
        sys.stdout.write(described(exchange, storm, host, bound) + "\n")
        sys.stdout.flush()
        waiting = asyncio.create_task(stop.wait())
        running = asyncio.create_task(server.failed())
        await asyncio.wait({waiting, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        await server.stop()


def main() -> int:
    options = parser()
    arguments = options.parse_args()
    if arguments.speed and not arguments.replay:
        options.error("--speed goes with --replay")
    if arguments.storm is None and (arguments.storm_every or arguments.storm_faults):
        options.error("--storm-every and --storm-faults go with --storm")
    decimal.getcontext().prec = DIGITS
    logging.basicConfig(format="sandbox: %(levelname)s %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # malformed HTTP gets its 400
    try:
        exchange = Exchange(plan(arguments), Clock())
        storm = forecast(arguments)
        asyncio.run(serve(exchange, storm, arguments.host, arguments.port))
    except (BadRecording, OSError) as error:
        sys.stderr.write(f"sandbox: {_reason(error, arguments)}\n")
        return 2
    return 0


def _reason(error: Exception, arguments: argparse.Namespace) -> str:
    if isinstance(error, OSError):
        where = f"{arguments.host}:{arguments.port}"
        return f"cannot listen on {where}: {os.strerror(error.errno or 0)}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
