"""Removal of old hour files."""

from pathlib import Path

from candles.ticks.hours import HOUR_MS
from candles.ticks.retention import DAY_MS, Retention, remove_old
from tests.builders import NOON_MS
from tests.candles.ticks.files import trades, written


def names(root: Path) -> list[str]:
    return sorted(path.name.removeprefix("BTCUSDT-aggTrades-") for path in root.glob("*/*"))


def sealed(day: int, hour: int) -> list[str]:
    name = f"2026-01-{day:02}-{hour:02}.zip"
    return [name, f"{name}.CHECKSUM"]


def test_hours_are_removed_by_age(tmp_path: Path) -> None:
    written(tmp_path, trades(0, 3, every_ms=HOUR_MS))
    damaged = tmp_path / "BTCUSDT" / "BTCUSDT-aggTrades-2026-01-02-11.zip.damaged"
    damaged.write_bytes(b"?")
    assert not remove_old(tmp_path, Retention(1, 0), NOON_MS + DAY_MS - HOUR_MS)
    assert remove_old(tmp_path, Retention(1, 0), NOON_MS + DAY_MS + HOUR_MS) == 2
    assert names(tmp_path) == sorted([*sealed(2, 13), *sealed(2, 14), "2026-01-02-15.csv.gz"])


def test_the_oldest_are_removed_by_size_and_never_what_is_open(tmp_path: Path) -> None:
    written(tmp_path, trades(0, 3, every_ms=HOUR_MS))
    total = sum(path.stat().st_size for path in tmp_path.glob("*/*"))
    assert not remove_old(tmp_path, Retention(0, total), NOON_MS)
    assert remove_old(tmp_path, Retention(0, total - 1), NOON_MS) == 1
    assert names(tmp_path) == sorted([*sealed(2, 13), *sealed(2, 14), "2026-01-02-15.csv.gz"])
    remove_old(tmp_path, Retention(0, 1), NOON_MS)
    assert "2026-01-02-15.csv.gz" in names(tmp_path)


def test_without_bounds_everything_stays(tmp_path: Path) -> None:
    written(tmp_path, trades(0, 3, every_ms=HOUR_MS))
    assert not remove_old(tmp_path, Retention(0, 0), NOON_MS + 1000 * DAY_MS)
