"""The web process as tests start it: daphne over the tests' own database and Redis."""

import json
from pathlib import Path
from typing import Any

import websocket
from django.db import connections

from tests.servers import HANG_S, PYTHON, Server, answers, free_port


class Web(Server):
    """daphne on `port`, or a free one; `settings` are environment variables."""

    def __init__(self, folder: Path, port: int | None = None, **settings: str) -> None:
        self.port = port or free_port()
        endpoint = f"tcp:{self.port}:interface=127.0.0.1"
        command = [PYTHON, "-m", "daphne", "-e", endpoint, "tradingsite.asgi:application"]
        environment = {"DATABASE_URL": database_url()} | settings
        super().__init__(command, folder / f"web-{self.port}.log", environment)
        self.await_ready(lambda: answers(self.port))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, path: str = "/ws/", **options: Any) -> "Client":
        return Client(f"ws://127.0.0.1:{self.port}{path}", **options)


def database_url() -> str:
    """Where the tests' database is, for a process that is not a test."""
    database = connections["default"].settings_dict
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    host, port = database["HOST"], database["PORT"]
    login = f"{database['USER']}:{database['PASSWORD']}"
    return f"postgres://{login}@{host}:{port}/{database['NAME']}"


class Client:
    """A WebSocket client that reads one JSON message at a time."""

    def __init__(self, url: str, **options: Any) -> None:
        self.socket = websocket.create_connection(url, timeout=HANG_S, **options)

    def next(self) -> dict[str, Any]:
        return dict(json.loads(self.socket.recv()))

    def next_of(self, kind: str) -> dict[str, Any]:
        while (message := self.next())["type"] != kind:
            pass
        return message

    def close_code(self) -> int:
        """Read until the server closes; the code it gives."""
        while True:
            operation, data = self.socket.recv_data()
            if operation == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2], "big")

    def close(self) -> None:
        self.socket.close()
