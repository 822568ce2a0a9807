"""Model field for exact decimals."""

from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from foundation.decimals import plain

# Of a decimal that people or programs give us. Without a bound 1e-999999999 is written out.
MAX_DIGITS, MAX_PLACES = 40, 20
ORDERING_LOOKUPS = ("gt", "gte", "lt", "lte", "range")
Set_contra = TypeVar("Set_contra", contravariant=True)
Get_co = TypeVar("Get_co", covariant=True)


class ExactDecimalField(models.Field[Set_contra, Get_co]):
    """A decimal of any length, exact on every database.

    PostgreSQL keeps `numeric`. SQLite has no exact number type (a DecimalField there passes
    through a float and keeps 15 digits), so it keeps text; text sorts by letter, hence size
    comparisons are refused on every database alike rather than answered wrongly on one.
    """

    _pyi_private_set_type: Decimal | str | int
    _pyi_private_get_type: Decimal
    _pyi_lookup_exact_type: Decimal | str | int

    description = "exact decimal"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "numeric" if connection.vendor == "postgresql" else "text"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        return value if value is None or isinstance(value, Decimal) else Decimal(value)

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, float):
            raise ValidationError(f"{value!r} is a float; give an exact decimal")
        try:
            return Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            raise ValidationError(f"{value!r} is not a decimal number") from None

    def get_prep_value(self, value: Any) -> Decimal | None:
        number = value if type(value) is Decimal else self.to_python(super().get_prep_value(value))
        if number is not None and not number.is_finite():
            raise ValidationError(f"{value!r} is not a finite number")
        return number

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        number = value if prepared else self.get_prep_value(value)
        if number is None or connection.vendor == "postgresql":
            return number
        return plain(number)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name in ORDERING_LOOKUPS:
            raise FieldError(f"{self.name}: compare exact decimals in Python, not in SQL")
        return super().get_lookup(lookup_name)

    def value_to_string(self, obj: models.Model) -> str:
        value: Any = self.value_from_object(obj)
        return "" if value is None else plain(value)

    def formfield(self, **kwargs: Any) -> Any:
        bounds = {"max_digits": MAX_DIGITS, "decimal_places": MAX_PLACES}
        return super().formfield(**{"form_class": forms.DecimalField, **bounds, **kwargs})
