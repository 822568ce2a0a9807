"""Views of lists that grow."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.generics import GenericAPIView

from foundation.rest.pages import NewestFirstPagination

Row = TypeVar("Row", bound=Model)


class PagedView(GenericAPIView[Row]):
    """A list in pages, newest first."""

    def rows(self, queryset: QuerySet[Row], asked: dict[str, Any]) -> list[Row]:
        """The rows of the page that `asked`, a validated PagedQuery, wants."""
        assert isinstance(self.paginator, NewestFirstPagination)  # noqa: S101  # the settings' own
        return self.paginator.page(queryset, self.request, asked["limit"], asked.get("cursor"))
