"""HTTP transport to the exchange, for public and for signed requests."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from foundation.outages import RETRY_S
from market.answer_deadline import TimedAdapter
from market.failures import Busy, OutcomeUnknown, failure_of
from market.proxies import request_options
from market.ratelimit.grants import Grant, RateLimited
from market.ratelimit.limiter import RateLimiter
from market.wire.bounds import MAX_ANSWER_BYTES

CONNECT_TIMEOUT_S = 3.05
READ_BYTES = 65_536
MAX_CONNECTIONS = 21  # kept open: one for each sending thread, one for the rest


class TooLarge(urllib3.exceptions.HTTPError):
    """An answer is longer than any that was asked for."""


class Answer(NamedTuple):
    """An answer of status 200."""

    body: bytes
    headers: Mapping[str, str]


class HttpTransport:
    """Requests to one address. Any thread may send; they share the open connections.

    An answer has to be whole within `answer_timeout_s`.
    Nothing is ever sent again on its own: the bare adapter of `requests` retries nothing, follows
    no redirect, so the host checked is the host asked, through a proxy of the environment too. A
    `limiter` learns what the exchange has counted, and for how long nobody may ask.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        limiter: RateLimiter | None,
        answer_timeout_s: float,
    ) -> None:
        self._url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._limiter = limiter
        self._timeout_s = (CONNECT_TIMEOUT_S, answer_timeout_s)
        self._adapter = TimedAdapter(pool_maxsize=MAX_CONNECTIONS)
        self._proxies = request_options(base_url)

    @property
    def host(self) -> str:
        return urlsplit(self._url).netloc

    def send(self, method: str, path: str, payload: str = "", grant: Grant | None = None) -> Answer:
        """Send a request with its `payload`, for which `grant` was acquired.

        Raises Refused, Busy where it was surely not carried out, or OutcomeUnknown.
        """
        request = self._request(method, path, payload)
        try:
            answer = self._adapter.send(
                request, stream=True, timeout=self._timeout_s, **self._proxies
            )
            body = _read(answer)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # Its text holds the address, maybe with a signature, so it is not passed on.
            if never_sent(error):
                text = f"{self._url}: not sent: no connection ({root_cause(error)})"
                raise Busy(RETRY_S, text) from None
            kind = type(error).__name__
            raise OutcomeUnknown(f"{self._url}: {kind} while waiting for the answer") from None
        if self._limiter is not None and grant is not None:
            self._limiter.sync(grant, answer.headers)
        if answer.status_code == 200:
            return Answer(body, answer.headers)
        failure = failure_of(answer.status_code, answer.headers, body)
        if self._limiter is not None and isinstance(failure, Busy):
            self._limiter.block_for(failure.retry_after_s)
        raise failure

    def _request(self, method: str, path: str, payload: str) -> requests.PreparedRequest:
        """A request that carries `payload` byte for byte, in the body or after the `?`."""
        request = requests.PreparedRequest()
        request.method, request.headers = method, CaseInsensitiveDict(self._headers)
        request.url = f"{self._url}{path}"
        if method == "POST":
            request.body = payload.encode()
            request.headers["Content-Type"] = "application/x-www-form-urlencoded"
            request.headers["Content-Length"] = str(len(request.body))
        elif payload:
            request.url += f"?{payload}"
        return request


def not_sent(limited: RateLimited) -> Busy:
    """The failure of a request that the rate limiter has held back."""
    return Busy(limited.wait_s, f"not sent: {limited}")


def _read(answer: requests.Response) -> bytes:
    """The body, unpacked, piece by piece: a few kilobytes may unpack to gigabytes.

    Raises TooLarge beyond MAX_ANSWER_BYTES; then the connection is closed.
    """
    parts, size = [], 0
    while part := answer.raw.read(READ_BYTES, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            answer.close()
            raise TooLarge
    return b"".join(parts)


def never_sent(error: Exception) -> bool:
    """True where the connection was never made, so that nothing can have arrived."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    # A proxy that opens no tunnel has passed nothing on.
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ProxyError)


def root_cause(error: Exception) -> str:
    """The innermost reason, without the addresses that urllib3 wraps it in."""
    reason: BaseException = error
    while (inner := reason.__cause__ or reason.__context__) is not None:
        reason = inner
    return str(reason) or type(reason).__name__
