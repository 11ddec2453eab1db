"""
Formulas over measures, such as ``A / B`` or ``(A - B) * 100``: a parser of its own, nothing is ever evaluated as code. Pure.

Grammar: sum := product (("+" | "-") product)* ; product := factor (("*" | "/") factor)* ;
factor := number | name | "(" sum ")" | "-" factor. A value that is missing and a division by zero give null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeAlias

from query_api.errors import InvalidRequest
from query_api.sums import added

MAX_DEPTH = 50
_WORD = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>[-+*/()])|(?P<end>$))"
)

Node: TypeAlias = "float | str | tuple[str, Node, Node]"
"""A number, the name of a measure, or an operation on two nodes."""


class _Parser:
    def __init__(self, text: str, names: set[str], path: str) -> None:
        self.text = text
        self.names = names
        self.path = path
        self.at = 0
        self.word = ""
        self.kind = ""
        self.depth = 0
        self.next()

    def fail(self, message: str) -> InvalidRequest:
        return InvalidRequest(self.path, f"{message} at character {self.at + 1}")

    def next(self) -> None:
        found = _WORD.match(self.text, self.at)
        if found is None:
            raise self.fail("neither a number, a measure's name nor one of + - * / ( )")
        self.kind = str(found.lastgroup)
        self.word = found[self.kind]
        self.at = found.end()

    def sum_(self) -> Node:
        node = self.product()
        while self.word and self.word in "+-":
            sign = self.word
            self.next()
            node = (sign, node, self.product())
        return node

    def product(self) -> Node:
        node = self.factor()
        while self.word and self.word in "*/":
            sign = self.word
            self.next()
            node = (sign, node, self.factor())
        return node

    def factor(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"nested deeper than {MAX_DEPTH}")
        kind, word = self.kind, self.word
        node: Node
        if kind == "end" or word in ("+", "*", "/", ")"):
            raise self.fail("a number or a measure's name is missing")
        self.next()
        if kind == "number":
            node = float(word)
        elif kind == "name":
            if word not in self.names:
                raise self.fail(
                    f"no measure named {word!r}; there are {', '.join(sorted(self.names))};"
                )
            node = word
        elif word == "-":
            node = ("-", 0.0, self.factor())
        else:
            node = self.sum_()
            if self.word != ")":
                raise self.fail("a closing parenthesis is missing")
            self.next()
        self.depth -= 1
        return node


def parse(text: str, names: set[str], path: str = "$.formula") -> Node:
    """Parse a formula over these measures. Errors: ``invalid_request`` with the place."""
    parser = _Parser(text, names, path)
    node = parser.sum_()
    if parser.kind != "end":
        raise parser.fail("an operator is missing")
    return node


def evaluate(node: Node, values: Mapping[str, float | None]) -> float | None:
    """Compute a parsed formula; None where a value is missing, a divisor is zero or the result is not finite."""
    if isinstance(node, str):
        return values[node]
    if not isinstance(node, tuple):
        return node
    sign, left_node, right_node = node
    left, right = evaluate(left_node, values), evaluate(right_node, values)
    if left is None or right is None or (sign == "/" and right == 0):
        return None
    result: float
    if sign == "+":
        result = added((left, right))
    elif sign == "-":
        result = added((left, -right))
    elif sign == "*":
        result = left * right
    else:
        result = left / right
    return result if math.isfinite(result) else None
