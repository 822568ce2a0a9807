"""Who may ask, how lists are paged and how answers are written.

Read while Django REST framework itself is being imported, so its views are out of reach here.
"""

from typing import Any

import orjson
from django.conf import settings
from django.db.models import QuerySet
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data)


class ReadersAndStaff(BasePermission):
    """Reads are for everybody where PUBLIC_READ, else for users; writes are for staff."""

    message = "only staff may change anything; sign in as one, or send a token of one"

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method in SAFE_METHODS:
            return settings.PUBLIC_READ or bool(request.user.is_authenticated)
        return bool(request.user.is_authenticated and request.user.is_staff)


class NewestFirst(CursorPagination):
    """Pages by the model's own order; `market.parameters.PagedQuery` has checked the limit."""

    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000
    # Rows of one instant are told apart by an offset: as many as may come about at once.
    offset_cutoff = 100_000

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        return tuple(queryset.model._meta.ordering)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            return super().decode_cursor(request)
        except APIException:
            raise ValidationError(
                {"cursor": "no cursor of ours; use one from next or previous"}
            ) from None
