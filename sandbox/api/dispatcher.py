"""Dispatch of requests: limits, parameters, signature, handler. Source: protocol D.1, D.3."""

import asyncio
import logging

from sandbox.api import signing
from sandbox.api.limits import WeightLimiter
from sandbox.api.params import RequestParams
from sandbox.api.request import ApiContext, ApiRequest, Client, Endpoint
from sandbox.api.signing import RequestSignature
from sandbox.engine.request_log import LoggedRequest
from sandbox.errors import ApiError

log = logging.getLogger(__name__)


class Dispatcher:
    """Answers the requests of REST and WebSocket API, which share its limits."""

    def __init__(self, context: ApiContext) -> None:
        self.context = context
        self.exchange, self.faults = context.exchange, context.faults
        self.limiter = WeightLimiter()

    def receive(
        self, endpoint: Endpoint, params: RequestParams, client: Client, channel: str
    ) -> ApiRequest:
        """A request as it comes in; logged at once where it carries an order."""
        now_ms = self.exchange.clock.now_ms()
        entry = LoggedRequest(now_ms, channel, endpoint.order_action, dict(params.items()))
        if endpoint.order_action:
            self.exchange.request_log.append(entry)
        server_time_ms = self.faults.server_time_ms(now_ms)
        return ApiRequest(self.context, params, client, entry, now_ms, server_time_ms)

    async def dispatch(
        self, endpoint: Endpoint, request: ApiRequest, signature: RequestSignature, address: str
    ) -> object | ApiError:
        """The answer to a request, be it an error. Raises nothing."""
        try:
            answer = await self._handle(endpoint, request, signature, address)
        except ApiError as error:
            request.log_answer(error.status, error.code)
            return error
        except Exception:
            log.exception("request failed: %s", request.log_entry.to_json())
            message = "An unknown error occurred while processing the request."
            return ApiError(-1000, message, 500)
        request.log_answer(200)
        self._flush_user_data_soon()
        return answer

    def _flush_user_data_soon(self) -> None:
        """Have user data go out right behind the answer."""
        flush = self.context.user_data.flush
        asyncio.get_running_loop().call_soon(flush, self.exchange.clock.now_ms())

    async def _handle(
        self, endpoint: Endpoint, request: ApiRequest, signature: RequestSignature, address: str
    ) -> object:
        self.faults.check_limit(endpoint.is_signed, request.now_ms)
        weight = self._charge_endpoint(endpoint, request.params, address)
        if endpoint.is_signed:
            request.params.check_known((*endpoint.parameters, *signature.parameters))
            signing.check_signature(
                self.exchange.config.credentials, signature, request.params, request.server_time_ms
            )
        else:
            request.params.check_known(endpoint.parameters)
        answer = await endpoint.handle(request)
        if endpoint.refunds_weight:
            self.limiter.refund(address, weight, request.now_ms)
        return answer

    def _charge_endpoint(self, endpoint: Endpoint, params: RequestParams, address: str) -> int:
        """Charge a request's weight, 1 where its parameters are bad; raises 429 or 418."""
        try:
            weight = endpoint.weight(params)
        except ApiError:
            self.charge_weight(address, 1)
            raise
        self.charge_weight(address, weight)
        return weight

    def refuse_unreadable(self, error: ApiError, address: str) -> ApiError:
        """The answer to a request that cannot be read, which costs weight, too."""
        try:
            self.charge_weight(address, 1)
        except ApiError as refusal:
            return refusal
        return error

    def charge_weight(self, address: str, weight: int) -> None:
        """Count weight against an address; raises 429 or 418."""
        self.limiter.charge(address, weight, self.exchange.clock.now_ms())

    def used_weight(self, address: str) -> int:
        """Weight that an address has used in the current minute."""
        return self.limiter.used_weight(address, self.exchange.clock.now_ms())
