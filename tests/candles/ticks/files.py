"""Hour files of ticks as tests write and read them."""

import gzip
import zipfile
from pathlib import Path

from candles.ticks.hours import TickFolder
from candles.ticks.series import TickSeries
from market.ticks import Tick
from tests.builders import NOON_MS, tick

BTC = "BTCUSDT"


def trades(first: int, last: int, every_ms: int = 1000, start_ms: int = NOON_MS) -> list[Tick]:
    """Ticks by id; number 0 was traded at `start_ms`."""
    return [
        tick(f"100.{number:08}", tick_id=number, time_ms=start_ms + number * every_ms)
        for number in range(first, last + 1)
    ]


def begun(root: Path) -> TickSeries:
    return TickSeries(TickFolder(root, BTC), lambda: True)


def written(root: Path, *runs: list[Tick]) -> TickSeries:
    one = begun(root)
    for run in runs:
        one.add(run)
        one.write()
    return one


def text_of(root: Path) -> bytes:
    """All lines of a symbol's files in order, as any reader of gzip and zip sees them."""
    folder = TickFolder(root, BTC)
    texts = []
    for hour in folder.hours():
        if folder.sealed_path(hour).exists():
            with zipfile.ZipFile(folder.sealed_path(hour)) as archive:
                texts.append(archive.read(f"{folder.stem(hour)}.csv"))
        else:
            texts.append(gzip.decompress(folder.open_path(hour).read_bytes()))
    return b"".join(texts)
