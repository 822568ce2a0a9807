"""Rows that requests write, where others may write the same at once."""

from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model
from rest_framework.serializers import Serializer

Row = TypeVar("Row", bound=Model)


def save_or_refuse(body: "Serializer[Row]") -> Row:
    """Validate `body` and save it. Raises ValidationError, also where somebody else has taken a
    unique value since it was looked for: validated again, the body is refused by its name.
    """
    body.is_valid(raise_exception=True)
    try:
        with transaction.atomic():
            return body.save()
    except IntegrityError:
        _again(body).is_valid(raise_exception=True)
        raise


def _again(body: "Serializer[Row]") -> "Serializer[Any]":
    return type(body)(body.instance, data=body.initial_data, partial=body.partial)
