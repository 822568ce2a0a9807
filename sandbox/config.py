"""Configuration of the sandbox."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from sandbox.clock import DAY_MS

SAMPLE_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SAMPLE_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"  # noqa: S105 (public)


@dataclass(frozen=True, slots=True)
class Credentials:
    """API key and secret of the one account."""

    key: str = SAMPLE_KEY
    secret: str = SAMPLE_SECRET


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Options of an exchange. `rate` multiplies how often the random market trades.

    `lifetime_ms` is the longest a WebSocket connection may last. Fees are paid in `fee_asset`
    while there is some of it, else in what is received.
    """

    symbols: list[str]
    seed: int = 1
    rate: float = 1.0
    fee: Decimal = Decimal("0.001")
    fee_asset: str | None = None
    replay: tuple[Path, ...] = ()
    speed: Fraction = Fraction(1)
    credentials: Credentials = field(default_factory=Credentials)
    lifetime_ms: int = DAY_MS
