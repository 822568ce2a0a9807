"""Options of the command `python -m sandbox`."""

import argparse
import os
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from sandbox.clock import DAY_MS
from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET, Credentials, SandboxConfig
from sandbox.data.symbols import KNOWN_LISTINGS, QUOTE_VALUES_USDT, split_symbol
from sandbox.faults.registry import FEED_FAULTS
from sandbox.faults.storm import DEFAULT_EVERY_S, StormConfig

LIFETIME_HELP = "of a WebSocket connection, a day where nothing is said"
MAX_FEE = Decimal("0.1")


def parse_symbols(text: str) -> list[str]:
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    for name in names:
        try:
            split_symbol(name)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return list(dict.fromkeys(names))


def parse_fee(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value <= MAX_FEE:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and {MAX_FEE}")
    return value


def parse_asset(text: str) -> str:
    known = sorted({*QUOTE_VALUES_USDT, *(entry.rules.base for entry in KNOWN_LISTINGS.values())})
    if text.upper() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")
    return text.upper()


def parse_positive(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above zero")
    return value


def parse_port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def parse_fault_names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        StormConfig(0, faults=names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def parse_storm_pause(text: str) -> Fraction:
    value = parse_positive(text)
    try:
        StormConfig(0, float(value))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return value


class OneLineParser(argparse.ArgumentParser):
    """A parser that refuses a bad option with one line, not with all of the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"sandbox: {message}; {self.prog} --help tells all options\n")


def build_parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m sandbox", description="A local exchange that speaks Binance Spot."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=parse_port, default=9090, help="0 picks a free one")
    add(
        "--symbols",
        type=parse_symbols,
        default=[],
        metavar="A,B",
        help="listed besides the known ones",
    )
    add("--seed", type=int, default=1, help="the same seed draws the same market and books")
    add("--rate", type=parse_positive, default=Fraction(1), help="how lively the random market is")
    add("--replay", type=Path, nargs="+", default=[], metavar="FILE", help="recorded trades, CSV")
    add("--speed", type=parse_positive, help="of the replay; 60 makes minutes seconds")
    add("--lifetime", type=parse_positive, metavar="SECONDS", help=LIFETIME_HELP)
    add("--storm", type=int, metavar="SEED", help="strike faults drawn by this seed")
    add("--storm-every", type=parse_storm_pause, metavar="SECONDS", help="on average, 5")
    add("--storm-faults", type=parse_fault_names, metavar="A,B", help="else all of feeds")
    add("--fee", type=parse_fee, default=Decimal("0.001"), help="of what is received")
    add("--fee-asset", type=parse_asset, metavar="BNB", help="to pay fees in, while it lasts")
    add("--api-key", default=os.environ.get("BINANCE_API_KEY") or SAMPLE_KEY)
    add("--api-secret", default=os.environ.get("BINANCE_API_SECRET") or SAMPLE_SECRET)
    return parser


def build_config(arguments: argparse.Namespace) -> SandboxConfig:
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


def build_storm(arguments: argparse.Namespace) -> StormConfig | None:
    """The configuration of the storm that was asked for, if any."""
    if arguments.storm is None:
        return None
    every_s = float(arguments.storm_every or DEFAULT_EVERY_S)
    return StormConfig(arguments.storm, every_s, arguments.storm_faults or tuple(FEED_FAULTS))
