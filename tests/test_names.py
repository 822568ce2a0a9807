"""The countable part of the rules for names (docs/glossary.md), held over the whole source.

One meaning a word: a class name stands once, a method name on few unrelated classes. Docstrings
name the thing, and names keep to the words of the field.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
SYSTEM = (
    "launcher", "tradingsite", "foundation", "market", "candles", "strategies", "orders",
)  # fmt: skip
MAX_UNRELATED = 4  # classes that may have a method of the same name
DJANGOS_OWN = {"Meta", "Command", "Migration"}  # class names that Django prescribes
FRAMEWORK_METHODS = {
    # Django's and Django REST framework's hooks
    "add_arguments", "clean", "create", "get_queryset", "handle", "has_add_permission",
    "has_change_permission", "has_delete_permission", "has_permission", "lookups", "queryset",
    "ready", "save_model", "to_representation", "update", "validate",
    # HTTP's verbs
    "delete", "get", "head", "options", "patch", "post", "put",
    # Threads, processes, connections
    "close", "run", "start", "stop",
}  # fmt: skip
PROPERTIES = {"property", "cached_property", "setter"}
GENERAL_BASES = {
    "", "Enum", "Exception", "Generic", "NamedTuple", "Protocol", "StrEnum", "Struct", "Thread",
}  # fmt: skip
QUESTION = re.compile(r"(What|How|Who|Whether|When|Which|Where)\b")
BANNED_WORDS = {"told", "most", "longest", "fewest", "desk", "clerk", "judge", "judged"}
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")


class Class(NamedTuple):
    where: str
    name: str
    bases: frozenset[str]
    methods: frozenset[str]


def modules(packages: tuple[str, ...]) -> dict[str, ast.Module]:
    """Parsed source by path within the repository; migrations are Django's."""
    return {where: module for package in packages for where, module in parsed(package).items()}


@cache
def parsed(package: str) -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    }


def classes(packages: tuple[str, ...]) -> list[Class]:
    return [
        Class(where, node.name, frozenset(map(_last_name, node.bases)), frozenset(_methods(node)))
        for where, module in modules(packages).items()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    ]


def _last_name(base: ast.expr) -> str:
    """`Exchange` for `Exchange`, `exchange.Exchange` and `Exchange[Row]`."""
    if isinstance(base, ast.Subscript):
        return _last_name(base.value)
    return base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")


def _methods(node: ast.ClassDef) -> Iterator[str]:
    """Public methods; a property is a field to its readers."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {_last_name(one) for one in item.decorator_list}
            if not item.name.startswith("_") and not decorators & PROPERTIES:
                yield item.name


def lineages(found: Iterable[Class]) -> dict[Class, set[str]]:
    """Each class with its own name and those of all its ancestors, what Python gives apart."""
    found = list(found)
    bases = {one.name: one.bases - GENERAL_BASES for one in found}

    def ancestors(name: str) -> set[str]:
        return {name}.union(*(ancestors(base) for base in bases.get(name, ())))

    return {one: ancestors(one.name) for one in found}


def families(having: Iterable[Class], lineage: dict[Class, set[str]]) -> list[list[Class]]:
    """Classes grouped by relation: a common ancestor, or one implements the other's protocol."""

    def related_to(one: Class, other: Class) -> bool:
        kin = bool(lineage[one] & lineage[other])
        return kin or _implements(one, other) or _implements(other, one)

    groups: list[list[Class]] = []
    for one in having:
        related = [group for group in groups if any(related_to(one, other) for other in group)]
        groups = [group for group in groups if group not in related]
        groups.append([one, *(other for group in related for other in group)])
    return groups


def _implements(one: Class, protocol: Class) -> bool:
    return "Protocol" in protocol.bases and protocol.methods <= one.methods


def test_a_class_name_stands_once():
    places = defaultdict(list)
    for one in classes(SYSTEM):
        places[one.name].append(one.where)
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in twice.items() if name not in DJANGOS_OWN} == {}


@pytest.mark.parametrize("packages", [SYSTEM, ("sandbox",)], ids=["system", "sandbox"])
def test_a_method_name_stands_on_few_unrelated_classes(packages):
    by_method, lineage = defaultdict(list), lineages(classes(packages))
    for one in lineage:
        for method in one.methods - FRAMEWORK_METHODS:
            by_method[method].append(one)
    often = {
        method: sorted(f"{one.where}:{one.name}" for one in having)
        for method, having in by_method.items()
        if len(having) > MAX_UNRELATED and len(families(having, lineage)) > MAX_UNRELATED
    }
    assert often == {}


def test_a_docstring_names_its_thing():
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    asking = [
        f"{where}: {text.splitlines()[0]}"
        for where, module in modules((*SYSTEM, "sandbox")).items()
        for node in ast.walk(module)
        if isinstance(node, documented)
        and (text := ast.get_docstring(node))
        and QUESTION.match(text)
    ]
    assert asking == []


def test_functions_and_constants_keep_to_the_words_of_the_field():
    banned = [
        f"{where}:{name}"
        for where, module in modules((*SYSTEM, "sandbox")).items()
        for node in ast.walk(module)
        for name in _defined(node)
        if BANNED_WORDS & set(name.lower().split("_"))
    ]
    assert banned == []


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    yield from (
        target.id
        for target in targets
        if isinstance(target, ast.Name) and CONSTANT.fullmatch(target.id)
    )
