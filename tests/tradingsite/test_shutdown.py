import threading
import time

import requests

from tests.servers import HANG_S
from tests.tradingsite.web import Web


def test_the_web_process_stops_in_time_whatever_is_under_way(web: Web) -> None:
    sockets = [web.connect() for _ in range(3)]
    answered: list[int] = []

    def ask() -> None:
        answered.append(requests.get(f"{web.url}/admin/login/", timeout=HANG_S).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)  # they are under way
    assert web.stop(seconds=5) == 0
    for thread in threads:
        thread.join()
    assert answered == [200] * 8
    for socket in sockets:
        socket.close()
