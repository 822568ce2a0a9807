"""Memory of the folding after a million closed candles: it should not grow.

`python -m benchmarks.memory [--candles 1000000]`

One symbol's ticks, four a second, are taken by the feed in batches of a thousand; every second
closes a candle, every minute a longer one. Resident memory is read after a tenth of them, when
everything that is kept is full, and at the end.
"""

import argparse
import gc
from decimal import Decimal
from pathlib import Path

from candles.live.bootstrap import Bootstrap
from candles.live.feed import SymbolFeed
from candles.ohlcv import flat
from market.ticks import Tick

TICKS_A_CANDLE = 4
BATCH = 1_000


def resident_kb() -> int:
    """Of this process, from /proc."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def batch(first_id: int) -> list[Tick]:
    """Distinct ticks, TICKS_A_CANDLE of them a second."""
    every_ms = 1000 // TICKS_A_CANDLE
    return [
        Tick(
            symbol="BTCUSDT",
            tick_id=n,
            price=Decimal(60_000 + n % 997),
            quantity=Decimal(n % 89 + 1),
            first_trade_id=n,
            last_trade_id=n,
            time_ms=n * every_ms,
            buyer_is_maker=n % 3 == 0,
        )
        for n in range(first_id, first_id + BATCH)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candles", type=int, default=1_000_000)
    wanted = parser.parse_args().candles
    feed = SymbolFeed("BTCUSDT", ["1s", "1m"])
    feed.on_live(0)
    feed.receive_fetched(Bootstrap("BTCUSDT", {}, flat(0, 1_000, Decimal(1)), {}, [], -1))
    closed, next_id, early_kb = 0, 0, 0
    while closed < wanted:
        closed += len(feed.receive(batch(next_id)).closed)
        feed.state()
        feed.recent.drain()
        next_id += BATCH
        if not early_kb and closed > wanted // 10:
            gc.collect()
            early_kb = resident_kb()
    gc.collect()
    late_kb = resident_kb()
    print(
        f"{closed:,} candles from {next_id:,} ticks: {late_kb / 1024:.1f} MiB resident, "
        f"{(late_kb - early_kb) / 1024:+.1f} MiB since the first tenth"
    )


if __name__ == "__main__":
    main()
