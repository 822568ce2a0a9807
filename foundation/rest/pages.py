"""Pagination of lists that grow: newest first, by cursor."""

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from foundation.times import EPOCH

Row = TypeVar("Row", bound=Model)
MICROSECOND = timedelta(microseconds=1)


class Cursor(NamedTuple):
    """Beginning of a page: beside a row, on its older or its newer side."""

    side: str
    time: datetime
    pk: int

    def __str__(self) -> str:
        return f"{self.side}-{(self.time - EPOCH) // MICROSECOND}-{self.pk}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises ValidationError for what is no cursor of ours."""
        found = re.fullmatch(r"(older|newer)-(\d{1,17})-(\d{1,18})", text, re.ASCII)
        if found is None:
            raise ValidationError({"cursor": "no cursor of ours; use one from next or previous"})
        return cls(found[1], EPOCH + int(found[2]) * MICROSECOND, int(found[3]))


class NewestFirstPagination(BasePagination):
    """Pages by a model's time and key, its newest rows first, told apart where times are equal.

    Django REST framework's own cursors go by the time alone and lose rows on the way back.
    """

    def page(
        self, queryset: QuerySet[Row], request: Request, limit: int, at: str | None
    ) -> list[Row]:
        """At most `limit` rows beside the cursor `at`, as `foundation.rest.parameters.PagedQuery`
        has validated both; without a cursor the newest.
        """
        time = str((queryset.model._meta.ordering or [])[0]).removeprefix("-")
        cursor = Cursor.parse(at) if at else None
        rows = list(_rows_beyond(queryset, time, cursor)[: limit + 1])
        more, rows = len(rows) > limit, rows[:limit]
        back = cursor is not None and cursor.side == "newer"
        if back:
            rows.reverse()
        self.next = self.previous = None
        if rows and (more or back):
            self.next = _link(request, Cursor("older", getattr(rows[-1], time), rows[-1].pk))
        if rows and (more if back else cursor is not None):
            self.previous = _link(request, Cursor("newer", getattr(rows[0], time), rows[0].pk))
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.next, "previous": self.previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
        }


def _rows_beyond(queryset: QuerySet[Any], time: str, cursor: Cursor | None) -> QuerySet[Any]:
    """The rows on that side of the cursor, the nearest first."""
    if cursor is None:
        return queryset.order_by(f"-{time}", "-pk")
    if cursor.side == "older":
        rest = Q(**{f"{time}__lt": cursor.time}) | Q(**{time: cursor.time, "pk__lt": cursor.pk})
        return queryset.filter(rest).order_by(f"-{time}", "-pk")
    rest = Q(**{f"{time}__gt": cursor.time}) | Q(**{time: cursor.time, "pk__gt": cursor.pk})
    return queryset.filter(rest).order_by(time, "pk")


def _link(request: Request, cursor: Cursor) -> str:
    return replace_query_param(request.build_absolute_uri(), "cursor", str(cursor))
