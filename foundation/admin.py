"""Admin pages that are read-only, and that show decimals in plain digits."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Model
from django.http import HttpRequest

from foundation.decimals import plain
from foundation.fields import ExactDecimalField

Row = TypeVar("Row", bound=Model)


@cache  # the admin compares the columns it asks for again and again
def decimal_column(name: str) -> Callable[[Any], str]:
    """A column that shows a decimal in plain digits.

    It cannot be sorted by: on SQLite exact decimals are text, and "9" comes after "10".
    """

    @admin.display(description=name.replace("_", " "))
    def column(row: Model) -> str:
        value: Decimal | None = getattr(row, name)
        return "-" if value is None else plain(value)

    return column


def display_column(model: type[Model], name: Any) -> Any:
    """The admin column of that name, decimals as `decimal_column` shows them."""
    fields = {field.name: field for field in model._meta.get_fields()}
    return decimal_column(name) if isinstance(fields.get(name), ExactDecimalField) else name


def signed_in_user(request: HttpRequest) -> User:
    """The user whom the admin let in. Raises PermissionDenied where there is none."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class PlainDecimalAdmin(admin.ModelAdmin[Row]):
    """Admin that shows decimals in plain digits."""

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [display_column(self.model, name) for name in self.list_display]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Somebody else may take a unique value between the form's check and its saving: then the
        form is checked again, and names it.
        """
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            return super().changeform_view(request, *args, **kwargs)


class ReadOnlyAdmin(PlainDecimalAdmin[Row]):
    """Read-only admin of rows that say what happened: nobody changes them."""

    show_full_result_count = False
    list_per_page = 50

    def get_fields(self, request: HttpRequest, obj: Row | None = None) -> Any:
        return [display_column(self.model, field.name) for field in self.model._meta.fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Row | None = None) -> Any:
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False
