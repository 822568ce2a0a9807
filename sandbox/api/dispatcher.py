"""How a request is taken: limits, parameters, signature, handler. Source: protocol D.1, D.3.

REST and the WebSocket API stand at the same desk, and share its limits.
"""

import asyncio
import logging

from sandbox.api import signing
from sandbox.api.limits import Weights
from sandbox.api.params import Params
from sandbox.api.request import ApiContext, Call, Caller, Endpoint
from sandbox.api.signing import Proof
from sandbox.engine.request_log import LoggedRequest
from sandbox.errors import ApiError

log = logging.getLogger(__name__)


class Desk:
    """The one place where requests become answers."""

    def __init__(self, context: ApiContext) -> None:
        self.context = context
        self.exchange, self.faults = context.exchange, context.faults
        self.weights = Weights()

    def arrived(self, endpoint: Endpoint, params: Params, caller: Caller, by: str) -> Call:
        """A request as it comes in; written down at once where it carries an order."""
        now_ms = self.exchange.clock.now_ms()
        sent = LoggedRequest(now_ms, by, endpoint.order, dict(params.items()))
        if endpoint.order:
            self.exchange.request_log.append(sent)
        server_ms = self.faults.server_ms(now_ms)
        return Call(self.context, params, caller, sent, now_ms, server_ms)

    async def answer(
        self, endpoint: Endpoint, call: Call, proof: Proof, address: str
    ) -> object | ApiError:
        """What there is to answer; nothing but Binance's errors comes out of it."""
        try:
            answer = await self._answer(endpoint, call, proof, address)
        except ApiError as error:
            call.write_down(error.status, error.code)
            return error
        except Exception:
            log.exception("request failed: %s", call.sent.payload())
            message = "An unknown error occurred while processing the request."
            return ApiError(-1000, message, 500)
        call.write_down(200)
        self._tell_soon()
        return answer

    def _tell_soon(self) -> None:
        """User data goes out right behind the answer."""
        flush = self.context.user_data.flush
        asyncio.get_running_loop().call_soon(flush, self.exchange.clock.now_ms())

    async def _answer(self, endpoint: Endpoint, call: Call, proof: Proof, address: str) -> object:
        self.faults.check(endpoint.signed, call.now_ms)
        weight = self._charged(endpoint, call.params, address)
        if endpoint.signed:
            call.params.allow((*endpoint.names, *proof.names))
            signing.check(self.exchange.config.credentials, proof, call.params, call.server_ms)
        else:
            call.params.allow(endpoint.names)
        answer = await endpoint.handle(call)
        if endpoint.free:
            self.weights.refund(address, weight, call.now_ms)
        return answer

    def _charged(self, endpoint: Endpoint, params: Params, address: str) -> int:
        """Every request costs weight; raises 429 or 418."""
        try:
            weight = endpoint.weight(params)
        except ApiError:
            self.charge(address, 1)
            raise
        self.charge(address, weight)
        return weight

    def unreadable(self, error: ApiError, address: str) -> ApiError:
        """What is answered to a request that cannot be read: that costs weight too."""
        try:
            self.charge(address, 1)
        except ApiError as refusal:
            return refusal
        return error

    def charge(self, address: str, weight: int) -> None:
        """Count against the address's minute; raises 429 or 418."""
        self.weights.charge(address, weight, self.exchange.clock.now_ms())

    def used(self, address: str) -> int:
        """Weight of the current minute."""
        return self.weights.used(address, self.exchange.clock.now_ms())
