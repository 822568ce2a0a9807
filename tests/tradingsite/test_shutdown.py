from http.client import HTTPConnection
from pathlib import Path

import requests

from tests.servers import HANG_S, eventually
from tests.tradingsite.web import Web

ESTABLISHED = "01"


def unread_bytes(port: int) -> int:
    """What clients have sent to a port of loopback and the server has not read yet."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        int(queues.partition(":")[2], 16)
        for _, local, _, state, queues, *_ in sockets
        if state == ESTABLISHED and int(local.partition(":")[2], 16) == port
    )


def test_the_web_process_stops_in_time_whatever_is_under_way(web: Web) -> None:
    page = "/admin/login/"
    assert requests.get(f"{web.url}{page}", timeout=HANG_S).ok  # loads what a page needs
    sockets = [web.connect() for _ in range(3)]
    clients = [HTTPConnection("127.0.0.1", web.port, timeout=HANG_S) for _ in range(8)]
    for client in clients:
        client.request("GET", page)
    assert eventually(lambda: unread_bytes(web.port) == 0)  # they are under way
    assert web.stop(seconds=5) == 0
    assert [client.getresponse().status for client in clients] == [200] * 8
    for client in clients:
        client.close()
    for socket in sockets:
        socket.close()
