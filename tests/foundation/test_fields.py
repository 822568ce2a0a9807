from decimal import Decimal

import pytest
from django.core.exceptions import FieldError, ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from foundation.fields import ExactDecimalField
from market.models import Symbol
from tests.builders import symbol

pytestmark = pytest.mark.django_db

exact = st.decimals(allow_nan=False, allow_infinity=False, places=18).filter(
    lambda number: abs(number) < 10**40
)


@given(exact)
def test_any_decimal_survives_the_database_digit_by_digit(number: Decimal) -> None:
    kept = Symbol(name="X", order_quantity=number)
    field = Symbol._meta.get_field("order_quantity")
    assert isinstance(field, ExactDecimalField)
    prepared = field.get_db_prep_value(kept.order_quantity, connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT CAST(%s AS {field.db_type(connection)})", [prepared])
        (raw,) = cursor.fetchone()
    assert field.from_db_value(raw, None, connection) == number


def test_what_is_saved_comes_back_equal() -> None:
    saved = symbol(order_quantity="12345678901234567890.12345678")
    saved.refresh_from_db()
    assert saved.order_quantity == Decimal("12345678901234567890.12345678")
    assert Symbol.objects.get(order_quantity=Decimal("12345678901234567890.123456780")) == saved


@pytest.mark.parametrize("value", [0.1, "much", "NaN", "Infinity"])
def test_what_is_not_an_exact_number_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        symbol(order_quantity=value)


def test_sizes_are_not_compared_by_the_database() -> None:
    with pytest.raises(FieldError, match="in Python"):
        Symbol.objects.filter(**{"order_quantity__gt": Decimal(9)})
