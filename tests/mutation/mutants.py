"""Makes mutants: every small change to a module's source that its tests should notice.

mutmut's own operators, applied to the whole file. Its command line changes only bodies of plain
functions; our state machines and outcome lists are tables at the top of a file, and much of a
ledger is properties, so its visitor is run here on those too. Five operators are ours: a row of a
table gone, another member of the same family, a condition turned round, a return of nothing, and a
statement that is not done.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

GONE = "(gone)"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed source. `name` tells it from all others of its module, whatever its line is."""

    name: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines. Nothing in the code can forbid one."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    members = _members(wrapper.module)

    def others(node: Any) -> Iterator[Any]:
        family, name = _member(node)
        mates = sorted(members.get(family, ()))
        if name and len(mates) > 1:
            following = mates[(mates.index(name) + 1) % len(mates)]
            yield node.with_changes(attr=cst.Name(following))

    operators = [*mutation_operators, *_OURS, (cst.Attribute, others)]
    visitor: Any = MutationVisitor(operators, IgnoredCode(set(), set(), set()))
    skips = visitor._skip_node_and_children
    visitor._skip_node_and_children = lambda node: (
        _is_listing(node) if isinstance(node, cst.FunctionDef | cst.Assign) else skips(node)
    )
    module = wrapper.visit(visitor)
    places = _places(wrapper)
    return _named(module, source, places, visitor.mutations)


def _named(module: Any, source: str, places: dict[Any, str], mutations: Any) -> list[Mutant]:
    """Each mutation as a source, those left out that read as another or as the original."""
    seen, names, found = {_shape(source)}, dict[str, int](), []
    for one in mutations:
        changed = module.deep_replace(one.original_node, one.mutated_node).code
        shape = _shape(changed)
        if shape in seen:
            continue
        seen.add(shape)
        name = f"{places.get(one.original_node, '')}: {_difference(source, changed)}"
        names[name] = names.get(name, 0) + 1
        name += f" (#{names[name]})" if names[name] > 1 else ""
        found.append(Mutant(name, changed))
    return found


def _shape(source: str) -> str:
    """What Python sees of it; the text itself where it is no Python, so that it dies in a test."""
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:
        return source


def _difference(before: str, after: str) -> str:
    """The lines that went and those that came, as one line."""
    gone, come = before.splitlines(), after.splitlines()
    while gone and come and gone[0] == come[0]:
        del gone[0], come[0]
    while gone and come and gone[-1] == come[-1]:
        del gone[-1], come[-1]
    went = " ".join(line.strip() for line in gone if line.strip())
    came = " ".join(line.strip() for line in come if line.strip())
    return f"{went} → {came or GONE}"


def _places(wrapper: Any) -> dict[Any, str]:
    """The class and function around each node, as Python would name it."""
    parents = wrapper.resolve(ParentNodeProvider)
    found: dict[Any, str] = {}

    def place(node: Any) -> str:
        if node not in found:
            parent = parents.get(node)
            around = "" if parent is None else place(parent)
            named = isinstance(node, cst.FunctionDef | cst.ClassDef)
            own = node.name.value if named else ""
            found[node] = f"{around}.{own}" if around and own else around or own
        return found[node]

    for node in parents:
        place(node)
    return found


# --- our operators -------------------------------------------------------------------------------


def _is_listing(node: Any) -> bool:
    """`__all__`, which the linter compares with the file."""
    if not isinstance(node, cst.Assign):
        return False
    target = node.targets[0].target
    return isinstance(target, cst.Name) and target.value == "__all__"


def _member(node: Any) -> tuple[str, str]:
    """The family and the name of `Family.MEMBER`; two empty words for anything else."""
    if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name):
        name = node.attr.value
        if name.isupper() and not name.startswith("_"):
            return node.value.value, name
    return "", ""


def _members(module: Any) -> dict[str, set[str]]:
    """Which members of each family the file names."""
    found: dict[str, set[str]] = {}
    stack = [module]
    while stack:
        node = stack.pop()
        family, name = _member(node)
        if name:
            found.setdefault(family, set()).add(name)
        stack += node.children
    return found


def _without_a_row(node: Any) -> Iterator[Any]:
    for i in range(len(node.elements)):
        kept = [*node.elements[:i], *node.elements[i + 1 :]]
        if kept:
            yield node.with_changes(elements=kept)


def _turned_round(node: Any) -> Iterator[Any]:
    inner = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    space = cst.SimpleWhitespace(" ")
    no = cst.UnaryOperation(operator=cst.Not(whitespace_after=space), expression=inner)
    yield node.with_changes(test=no)


def _returning_nothing(node: Any) -> Iterator[Any]:
    if node.value is not None:
        yield node.with_changes(value=cst.Name("None"))


def _not_done(node: Any) -> Iterator[Any]:
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


_OURS = (
    (cst.Dict, _without_a_row),
    (cst.Set, _without_a_row),
    (cst.If, _turned_round),
    (cst.While, _turned_round),
    (cst.Return, _returning_nothing),
    (cst.Expr, _not_done),
)
