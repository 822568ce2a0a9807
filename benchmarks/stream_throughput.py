"""Ticks a CPU second through the whole stream process, against the naive way in the same run.

`python -m benchmarks.stream_throughput [--symbols 8] [--ticks 2000000] [--runs 3] [--recording]`

Ours is the real thing: the stream process reads a flood from a socket, folds it, and writes
each batch to a real Redis and each closed candle to a real SQLite file. The naive way is what
tutorials show: WebSocketApp, `json`, floats, one Redis round trip a tick. Both are measured
from the first tick to the last, in CPU time of their own process. With `--recording` ours is
measured with RECORD_TICKS as well; what its thread has not written by then is not counted.
"""

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.exchange import FIRST_ID, symbol_names
from benchmarks.flood import rounds_of, trades_of
from candles.live.lease import Lease
from candles.live.state import SymbolState, read_states
from foundation.redis import connection
from tests.servers import PYTHON, Redis, Server, answers, free_port

if TYPE_CHECKING:
    from tradingsite.stream.process import StreamProcess

LOOK_EVERY_S = 0.2


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Watcher:
    """Reads every symbol's state from Redis, over and over, until the last tick stands there.

    `cpu_s` and `wall_s` are those between the first look at which every symbol had ticks and the
    last one; the `skipped` ticks came before the first.
    """

    def __init__(self, symbols: int, ticks: int) -> None:
        self.names, rounds = symbol_names(symbols), rounds_of(symbols, ticks)
        self.last_ids = {
            name: FIRST_ID - 1 + trades_of(place, rounds) for place, name in enumerate(self.names)
        }
        self.skipped = self.wrong = 0
        self.cpu_s = self.wall_s = 0.0

    @property
    def counted(self) -> int:
        return self._ticks_until(self.last_ids) - self.skipped

    def watch(self) -> None:
        while (done := self._last_ids()).keys() != self.last_ids.keys():
            time.sleep(LOOK_EVERY_S)
        began_cpu_s, began_s = self._others_cpu_s(), time.monotonic()
        self.skipped = self._ticks_until(done)
        while self._last_ids() != self.last_ids:
            time.sleep(LOOK_EVERY_S)
        self.cpu_s = self._others_cpu_s() - began_cpu_s
        self.wall_s = time.monotonic() - began_s
        self.wrong = sum(map(_wrong, self._states().values()))

    def _states(self) -> dict[str, SymbolState]:
        return read_states(connection(), self.names)

    def _last_ids(self) -> dict[str, int]:
        """Of those that have ticks of the flood."""
        ids = {name: state.last_tick_id for name, state in self._states().items()}
        return {name: last_id for name, last_id in ids.items() if last_id >= FIRST_ID}

    def _ticks_until(self, last_ids: Mapping[str, int]) -> int:
        return sum(last_ids.values()) - len(self.names) * (FIRST_ID - 1)

    def _others_cpu_s(self) -> float:
        """Of the process without this thread."""
        return cpu_s() - time.thread_time()


def ours(symbols: int, ticks: int) -> dict[str, float]:
    """Run the stream process in this process until the last tick stands in Redis."""
    process, watcher = stream_process(), Watcher(symbols, ticks)

    def watch() -> None:
        watcher.watch()
        process.stop()

    gc.freeze()  # as runstream does
    watching = threading.Thread(target=watch)
    watching.start()
    process.run()
    watching.join()
    if watcher.wrong:
        raise SystemExit(f"{watcher.wrong:,} ticks came late or were left out")
    return {"ticks": watcher.counted, "cpu_s": watcher.cpu_s, "wall_s": watcher.wall_s}


def stream_process() -> "StreamProcess":
    """The stream process over a database with its symbols."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from candles.live.state import StateWriter
    from market.rest import market_rest
    from market.services import load_symbols
    from market.stream.client import MarketStream
    from tradingsite.stream.process import StreamProcess

    call_command("migrate", verbosity=0)
    rest = market_rest()
    load_symbols(rest)
    stream = MarketStream(settings.BINANCE_STREAM_URL, settings.INTERVALS)
    process = StreamProcess(
        stream, rest, StateWriter(Lease(connection()), "none"), settings.INTERVALS
    )
    stream.clock = None  # the flood's trades are of the minutes to come
    return process


def _wrong(state: SymbolState) -> int:
    """Ticks that its candles did not get in their turn."""
    counts = state.counts
    return counts.late + counts.holes + counts.given_up


def naive(symbols: int, ticks: int) -> dict[str, float]:
    """WebSocketApp, json, float, one HSET a tick."""
    import redis
    from websocket import WebSocketApp

    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    candles: dict[str, list[float]] = {}
    marks = {"seen": 0.0, "cpu": 0.0, "wall": 0.0}

    def on_message(app: WebSocketApp, text: str) -> None:
        data = json.loads(text).get("data")
        if data is None:
            return
        if not marks["seen"]:
            marks["cpu"], marks["wall"] = cpu_s(), time.monotonic()
        price, quantity = float(data["p"]), float(data["q"])
        candle = candles.setdefault(data["s"], [price, price, price, price, 0.0])
        candle[1], candle[2] = max(candle[1], price), min(candle[2], price)
        candle[3], candle[4] = price, candle[4] + quantity
        client.hset(f"naive:{data['s']}", "candle", json.dumps(candle))
        marks["seen"] += 1
        if marks["seen"] == ticks:
            app.close()

    names = [f"{name.lower()}@aggTrade" for name in symbol_names(symbols)]
    ask = json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1})
    url = os.environ["BINANCE_STREAM_URL"] + "/stream"
    WebSocketApp(url, on_open=lambda app: app.send(ask), on_message=on_message).run_forever()
    return {
        "ticks": marks["seen"],
        "cpu_s": cpu_s() - marks["cpu"],
        "wall_s": time.monotonic() - marks["wall"],
    }


def measured(way: str, symbols: int, ticks: int) -> dict[str, float]:
    """One run of `way` in a world of its own; returns what it printed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, port = Path(name), free_port()
        redis = Redis(folder)
        words = [PYTHON, "-m", "benchmarks.flood", str(port), str(symbols), str(ticks)]
        flood = Server(words, folder / "flood.log")
        flood.await_ready(lambda: answers(port), seconds=60)
        environment = os.environ | {
            "VAR_DIR": name,
            "REDIS_URL": redis.url,
            "SYMBOLS": ",".join(symbol_names(symbols)),
            "BINANCE_REST_URL": f"http://127.0.0.1:{port}",
            "BINANCE_STREAM_URL": f"ws://127.0.0.1:{port}",
            "RECORD_TICKS": str(way == "recording").lower(),
        }
        command = [PYTHON, "-m", "benchmarks.stream_throughput", "--way", way]
        command += ["--symbols", str(symbols), "--ticks", str(ticks)]
        try:
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
        finally:
            flood.kill()
            redis.stop()
        result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=8)
    parser.add_argument("--ticks", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--recording", action="store_true", help="with RECORD_TICKS as well")
    parser.add_argument("--way", choices=["ours", "recording", "naive"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        run = naive if asked.way == "naive" else ours
        sys.stdout.write(json.dumps(run(asked.symbols, asked.ticks)) + "\n")
        return
    ways = {"ours": asked.ticks, "naive": asked.ticks // 20}
    if asked.recording:
        ways["recording"] = asked.ticks
    ratios, recording = [], []
    for _ in range(asked.runs):
        rates = {}
        for way, ticks in ways.items():
            result = measured(way, asked.symbols, ticks)
            rates[way] = result["ticks"] / result["cpu_s"]
            print(
                f"{way:9} {result['ticks']:>9,.0f} ticks  {rates[way]:>9,.0f} a CPU second"
                f"  {result['ticks'] / result['wall_s']:>9,.0f} a second",
                flush=True,
            )
        ratios.append(rates["ours"] / rates["naive"])
        if asked.recording:
            recording.append(rates["recording"] / rates["ours"])
    print(f"ours is {statistics.median(ratios):.0f} times the naive way (median of {asked.runs})")
    if asked.recording:
        print(f"recording ticks leaves {statistics.median(recording):.2f} of its rate")


if __name__ == "__main__":
    main()
