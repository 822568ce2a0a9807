"""Binance's errors: code and message under an HTTP status. Source: protocol E."""

from sandbox.wire import Json


class ApiError(Exception):
    """A refused request: Binance's code and message under an HTTP status.

    `retry_at_ms` is the time to try again, `data` is sent along with some errors.
    """

    def __init__(
        self,
        code: int,
        message: str,
        status: int = 400,
        *,
        retry_at_ms: int | None = None,
        data: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_at_ms = retry_at_ms
        self.data = data

    def body(self) -> Json:
        """The error as JSON."""
        data = {} if self.data is None else {"data": self.data}
        return {"code": self.code, "msg": self.message, **data}


def missing_parameter(name: str) -> ApiError:
    message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return ApiError(-1102, message)


def illegal_characters(name: str, legal: str) -> ApiError:
    message = f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    return ApiError(-1100, message)


def invalid_parameter(name: str) -> ApiError:
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def order_rejected(message: str) -> ApiError:
    return ApiError(-2010, message)


def invalid_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")
