"""The bare way from a tick to an order through Celery, with the settings that our worker has.

Nothing is folded, judged, stored or committed: every tick is a task, and every task sends a
signed order. Benchmarks measure it in their own run, so that ours can be told as a multiple.

`python -m benchmarks.bare SYMBOL...` listens; a worker runs `-A benchmarks.bare`.
"""

import itertools
import json
import os
import sys

import requests
import websocket
from celery import Celery

from foundation.times import now_ms
from orders.venue.signing import signed

BROKER = os.environ.get("REDIS_URL", "").replace("unix://", "redis+socket://", 1)
app = Celery("bare", broker=BROKER)
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=1)
session = requests.Session()
numbers = itertools.count()
HEADERS = {"X-MBX-APIKEY": "key", "Content-Type": "application/x-www-form-urlencoded"}


@app.task(name="benchmarks.bare.order")  # the listener's module has another name
def order(symbol: str) -> None:
    parameters = [
        ("symbol", symbol), ("side", "BUY"), ("type", "MARKET"), ("quantity", "0.1"),
        ("newClientOrderId", f"bare-{os.getpid()}-{next(numbers)}"),
        ("timestamp", str(now_ms())),
    ]  # fmt: skip
    url = f"{os.environ['BINANCE_REST_URL']}/api/v3/order"
    session.post(url, data=signed("secret", parameters), headers=HEADERS)


def listen(symbols: list[str]) -> None:
    address = f"{os.environ['BINANCE_STREAM_URL']}/stream"
    connection = websocket.create_connection(address, skip_utf8_validation=True)
    streams = [f"{symbol.lower()}@aggTrade" for symbol in symbols]
    connection.send(json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1}))
    while True:
        told = json.loads(connection.recv())
        if "data" in told:
            order.delay(told["data"]["s"])


if __name__ == "__main__":
    listen(sys.argv[1:])
