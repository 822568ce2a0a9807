"""Recorded ticks of real processes: leaders are killed, and the files have each id once, in order,
reproduce every candle, and are replayed by the sandbox."""

import gzip
import time
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random, SystemRandom

import pytest
import redis as redis_library

from candles.comparison import FIELDS
from candles.intervals import SECOND_MS, floor_ms
from candles.live.state import read_streams
from market.ticks import Tick
from sandbox.data.recordings import read_recordings
from tests.e2e.candles import stored
from tests.e2e.conftest import Built
from tests.recorded import by_the_book
from tests.servers import HANG_S, Server, Site, eventually

SYMBOLS = ("BTCUSDT", "ETHUSDT")
FAULTS = ("disconnect", "duplicate", "reorder", "skip_ids")
SETTLE_S = 120


def leader_of(site: Site, streams: list[Server]) -> Server:
    """The stream process that leads, by its own word of just now; waits for one."""
    client = redis_library.Redis.from_url(site.redis.url, socket_timeout=1)
    found: list[Server] = []

    def one_leads() -> bool:
        now_ms = time.time() * 1000
        holders = [one.holder for one in read_streams(client) if now_ms - one.beat_ms < 600]
        pids = {int(holder.rpartition(":")[2]) for holder in holders}
        found[:] = [one for one in streams if one.pid in pids]
        return bool(found)

    assert eventually(one_leads), "nobody leads"
    return found[0]


def files_of(site: Site, symbol: str) -> list[Path]:
    folder = site.folder / "ticks" / symbol
    names = [*folder.glob("*.csv.gz"), *folder.glob("*.zip")]
    return sorted(names, key=lambda path: path.name.split(".")[0])


def lines_of(path: Path) -> list[str]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return archive.read(archive.namelist()[0]).decode().splitlines()
    with gzip.open(path, "rt") as file:
        return file.read().splitlines()


def ticks_of(site: Site, symbol: str) -> Iterator[Tick]:
    for path in files_of(site, symbol):
        for line in lines_of(path):
            tick_id, price, quantity, first, last, time_us, maker, _ = line.split(",")
            yield Tick(
                symbol, int(tick_id), Decimal(price), Decimal(quantity), int(first), int(last),
                int(time_us) // 1000, maker == "True",
            )  # fmt: skip


def faults_of(site: Site, symbol: str) -> list[str]:
    """Seconds whose stored candle is another than the recorded ticks make."""
    ticks = list(ticks_of(site, symbol))
    first_ms = floor_ms(ticks[0].time_ms, SECOND_MS) + SECOND_MS
    last_ms = floor_ms(max(tick.time_ms for tick in ticks), SECOND_MS)
    ours = stored(site, symbol, "1s")
    wrong = []
    for candle in by_the_book(ticks, SECOND_MS, last_ms):
        if candle.open_ms < first_ms:
            continue
        theirs = ours.get(candle.open_ms)
        if theirs is None:
            wrong.append(f"{symbol} {candle.open_ms}: no candle")
            continue
        wrong += [
            f"{symbol} {candle.open_ms}: {name} {theirs[name]}, recorded {getattr(candle, name)}"
            for name in FIELDS
            if Decimal(theirs[name]) != getattr(candle, name)
        ]
    return wrong


@pytest.mark.processes
@pytest.mark.timeout(400)
def test_recorded_ticks_have_no_gap_although_leaders_are_killed(
    own_database: str, system: Callable[..., Built]
) -> None:
    seed = SystemRandom().randrange(10**6)
    print(f"TICKS_SEED={seed}")
    dice = Random(seed)
    sandbox, site = system(
        "--symbols", ",".join(SYMBOLS), "--seed", str(seed), "--rate", "20",
        INTERVALS="1s", TRADING_ENABLED="false", DATABASE_URL=own_database, RECORD_TICKS="true",
    )  # fmt: skip
    site.start("web")
    streams = [site.start("stream"), site.start("stream")]
    for name in ("worker", "beat"):
        site.start(name)
    assert eventually(lambda: all(files_of(site, symbol) for symbol in SYMBOLS), 2 * HANG_S)
    sandbox.storm(seed, 1.0, *FAULTS)
    for _ in range(2):
        time.sleep(dice.uniform(2, 6))
        leader = leader_of(site, streams)
        leader.kill()
        streams = [*(one for one in streams if one is not leader), site.start("stream")]
    time.sleep(dice.uniform(4, 6))
    sandbox.calm()
    time.sleep(4)
    leader_of(site, streams)
    for one in streams:
        one.stop()
    for symbol in SYMBOLS:
        ids = [tick.tick_id for tick in ticks_of(site, symbol)]
        print(f"{symbol}: {len(ids)} ticks")
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert len(ids) > 100
        assert eventually(lambda symbol=symbol: not faults_of(site, symbol), SETTLE_S), "\n".join(
            faults_of(site, symbol)
        )
        (recording,) = read_recordings(files_of(site, symbol))
        assert [group.agg.agg_id for group in recording.groups] == ids
