"""A server of the public archives' layout, over real sockets, that can be made to misbehave."""

import hashlib
import io
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.candles.klines import minute_ms


def kline(minute: int) -> str:
    open_ms = minute_ms(minute)
    return f"{open_ms},100.00,101,99.5,100.10,1.5,{open_ms + 59_999},150.1,7,0.5,50.05,0"


def zipped(name: str, *lines: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name.replace(".zip", ".csv"), "".join(f"{line}\n" for line in lines))
    return data.getvalue()


class ArchiveServer:
    """Serves `files` by path, and notes each request in `asked`, with where it begins.

    `cuts` says by path after how many bytes an answer breaks off, once for each number.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.cuts: dict[str, list[int]] = {}
        self.statuses: dict[str, int] = {}
        self.ranges = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def publish(self, name: str, data: bytes, checksum: str | None = None) -> str:
        """Serve an archive and its checksum, which may be wrong; return its path."""
        symbol, interval, period = name.removesuffix(".zip").split("-", 2)
        folder = f"/data/spot/{'daily' if period.count('-') == 2 else 'monthly'}/klines"
        path = f"{folder}/{symbol}/{interval}/{name}"
        digest = checksum or hashlib.sha256(data).hexdigest()
        self.files |= {path: data, f"{path}.CHECKSUM": f"{digest}  {name}\n".encode()}
        return path

    def fetched(self) -> list[str]:
        """Names of the archives that were asked for."""
        return [path.rpartition("/")[2] for path, _ in self.asked if path.endswith(".zip")]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                start = int(asked[1]) if asked else 0
                server.asked.append((self.path, start))
                data = server.files.get(self.path)
                status = server.statuses.get(self.path, 404 if data is None else 200)
                if status != 200 or data is None:
                    self.send_response(status)
                    self.send_header("Location", f"{server.url}/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self._send(data, start if server.ranges else 0)

            def _send(self, data: bytes, start: int) -> None:
                if start >= len(data) > 0 and start:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(data)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206 if start else 200)
                if start:
                    span = f"bytes {start}-{len(data) - 1}/{len(data)}"
                    self.send_header("Content-Range", span)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                cuts = server.cuts.get(self.path)
                if cuts:
                    self.wfile.write(data[start:][: cuts.pop(0)])
                    self.close_connection = True
                else:
                    self.wfile.write(data[start:])

        return Handler
