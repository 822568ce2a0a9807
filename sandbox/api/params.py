"""Parameters of requests, read and checked. Source: protocol D.1, D.6."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import unquote_plus

import orjson

from sandbox.clock import MIN_MICROSECONDS, SECOND_MS
from sandbox.errors import ApiError, illegal_characters, invalid_parameter, missing_parameter

DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER = r"^[0-9]{1,20}$"
MAX_PLACES = 8
MIN_TIME_MS = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) * 1000
MAX_AHEAD_MS = 10 * SECOND_MS


class RequestParams:
    """The parameters of one request; names and values are text. Each method raises ApiError."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @classmethod
    def from_http(cls, query: str, body: str) -> "RequestParams":
        """The parameters of query string and body; the query string wins. Raises -1101."""
        return cls(_parse_pairs(body) | _parse_pairs(query))

    def items(self) -> Iterable[tuple[str, str]]:
        return self._values.items()

    def check_known(self, names: Iterable[str]) -> None:
        """Raise -1104 where a parameter was sent that is not read."""
        sent, read = len(self._values), len(self._values.keys() & set(names))
        if read < sent:
            message = f"Not all sent parameters were read; read '{read}' parameter(s) but was "
            raise ApiError(-1104, f"{message}sent '{sent}'.")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def optional(self, name: str) -> str | None:
        value = self._values.get(name)
        if value == "":
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        return value

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if not value:
            raise missing_parameter(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.optional(name)
        if value is None:
            return None
        if not re.match(INTEGER, value, re.ASCII):
            raise illegal_characters(name, INTEGER)
        if int(value) >= 2**63:
            raise ApiError(-1108, f"Parameter '{name}' overflowed.")
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        value = self.optional(name)
        if value is None:
            return None
        if not re.match(DECIMAL, value, re.ASCII):
            raise illegal_characters(name, DECIMAL)
        return Decimal(value)

    def positive_decimal(self, name: str) -> Decimal | None:
        """A price or quantity: above zero, at most eight places."""
        value = self.decimal(name)
        if value is None:
            return None
        if -int(value.normalize().as_tuple().exponent) > MAX_PLACES:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        if not value:
            raise invalid_parameter(name)
        return value

    def limit(self, default: int = 500, maximum: int = 1000) -> int:
        """The `limit`, cut to a maximum."""
        value = self.integer("limit")
        if value == 0:
            raise invalid_parameter("limit")
        return min(value or default, maximum)

    def time_ms(self, name: str, now_ms: int) -> int | None:
        """A time parameter, sent in ms or microseconds, from 2017 to ten seconds from now."""
        value = self.integer(name)
        if value is None:
            return None
        time_ms = value // 1000 if value > MIN_MICROSECONDS else value
        if not MIN_TIME_MS <= time_ms <= now_ms + MAX_AHEAD_MS:
            raise invalid_parameter(name)
        return time_ms

    def choice(self, name: str, choices: Iterable[str], error: ApiError) -> str:
        value = self.text(name)
        if value not in choices:
            raise error
        return value

    def flag(self, name: str) -> bool:
        value = self.optional(name)
        if value not in (None, "true", "false"):
            raise invalid_parameter(name)
        return value == "true"

    def symbols(self, name: str) -> list[str] | None:
        """A JSON array of symbols; raises -1151 where one is there twice."""
        value = self.optional(name)
        if value is None:
            return None
        try:
            names = orjson.loads(value)
        except orjson.JSONDecodeError:
            names = None
        if not isinstance(names, list) or not all(isinstance(item, str) for item in names):
            raise illegal_characters(name, r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$')
        if len(set(names)) < len(names):
            raise ApiError(-1151, "Symbol is present multiple times in the list.")
        return names


def _parse_pairs(part: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in part.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if unquote_plus(name) in values:
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
        values[unquote_plus(name)] = unquote_plus(value)
    return values
