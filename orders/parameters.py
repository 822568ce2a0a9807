"""Query parameters of the lists of what strategies did."""

from rest_framework import serializers

from foundation.rest.parameters import ChoiceParameter, PagedQuery, TimeParameter
from market.parameters import SymbolParameter
from market.ticks import Side


class StrategyQuery(PagedQuery):
    """Filters that all lists of what strategies did have in common."""

    strategy = serializers.CharField(required=False, help_text="A strategy's name.")
    start = TimeParameter(required=False, help_text="Not before this time.")
    end = TimeParameter(required=False, help_text="Not after this time.")


class SidedQuery(StrategyQuery):
    symbol = SymbolParameter(required=False)
    side = ChoiceParameter(list(Side), required=False)
