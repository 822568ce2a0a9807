"""Opening of a WebSocket with one deadline for all of it."""

import socket
import threading
from contextlib import suppress

from websocket import WebSocket, WebSocketException

from market.proxies import socket_options

CUT_AGAIN_S = 0.1


def connect(opening: WebSocket, url: str, timeout_s: float) -> None:
    """Connect. Raises OSError or WebSocketException, whatever is answered.

    The library's time-out is one for each read: an answer that comes byte by byte would keep it
    for ever. So the line is cut where the handshake is not over in time.
    """
    over = threading.Event()
    threading.Thread(target=_cut_late, args=[opening, timeout_s, over], daemon=True).start()
    try:
        opening.connect(url, timeout=timeout_s, redirect_limit=0, **socket_options(url))
    except (OSError, WebSocketException):
        raise
    except Exception as error:  # what the library makes of an answer that it does not expect
        raise WebSocketException(f"no handshake: {type(error).__name__} {error}") from error
    finally:
        over.set()


def _cut_late(opening: WebSocket, timeout_s: float, over: threading.Event) -> None:
    """Shut the line down once it is late, again until the thread that reads has noticed."""
    over.wait(timeout_s)
    while not over.wait(CUT_AGAIN_S):
        line = opening.sock
        if line is not None:
            with suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)  # TLS too: without its farewell
