"""Views of lists that grow."""

from functools import cached_property
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.generics import GenericAPIView

from foundation.rest.pages import NewestFirstPagination

Row = TypeVar("Row", bound=Model)


class PagedView(GenericAPIView[Row]):
    """A list in pages, newest first."""

    pagination_class = NewestFirstPagination  # which the schema asks for

    @cached_property
    def paginator(self) -> NewestFirstPagination:
        return NewestFirstPagination()

    def rows(self, queryset: QuerySet[Row], asked: dict[str, Any]) -> list[Row]:
        """The rows of the page that `asked`, a validated PagedQuery, wants."""
        return self.paginator.page(queryset, self.request, asked["limit"], asked.get("cursor"))
