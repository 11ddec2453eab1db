"""
The parameters of a query. Every value of a request is bound; nothing of a request is ever text in a query. Pure.
"""

from __future__ import annotations

import re
from typing import Any

_NAME_OF_VALUE = re.compile(r"\{(\w+):")


class ValueBoundTwiceError(Exception):
    """Two parts of one statement bind different values under one name: one would silently be computed with the other's."""


class Bindings:
    """
    The parameters of one query: values by name, and the ``{name:Type}`` text that stands for each.

    ``user_names``: the names behind ``user.`` for which the rows have columns.
    """

    def __init__(self, scheme: str = "standard", user_names: tuple[str, ...] = ()) -> None:
        self.values: dict[str, Any] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.user_names = user_names
        self.scheme_name = scheme
        self._reused: dict[tuple[str, str], str] = {}

    def add(self, value: Any, type_: str) -> str:  # noqa: ANN401 (any type that ClickHouse takes)
        """Bind a value under a new name and return its place-holder. Equal texts share one."""
        key = (value, type_) if isinstance(value, str) else None
        if key is not None and key in self._reused:
            return self._reused[key]
        placeholder = self.named(f"p{len(self.values)}", value, type_)
        if key is not None:
            self._reused[key] = placeholder
        return placeholder

    def named(self, name: str, value: Any, type_: str) -> str:  # noqa: ANN401
        """
        Bind a value under the name that a .sql file uses; the same value may be bound again.

        Errors: ``ValueBoundTwiceError`` for another value. Parts of one statement share its names: where each needs a value of
        its own, one of them is made with its own bindings and embedded.
        """
        self._bind(name, value)
        return f"{{{name}:{type_}}}"

    def _bind(self, name: str, value: Any) -> None:  # noqa: ANN401
        if name in self.values and self.values[name] != value:
            raise ValueBoundTwiceError(name)
        self.values[name] = value

    def table(self, name: str, columns: dict[str, Any], *, replaces: bool = False) -> None:
        """
        Send a table with the query: columns by name, numpy arrays of one length.

        ``replaces``: it may take the place of the table of a statement asked before. Errors: ``ValueBoundTwiceError``.
        """
        if not replaces and self.tables.get(name, columns) is not columns:
            raise ValueBoundTwiceError(name)
        self.tables[name] = columns

    def scheme(self) -> str:
        """Bind the scene grouping scheme of this request as ``scheme`` and return its place-holder."""
        return self.named("scheme", self.scheme_name, "String")

    def embed(self, prefix: str, sql: str, inner: Bindings) -> str:
        """
        Take over the values of a part that was made with bindings of its own; return its SQL with their new names.

        The same part may be embedded again: it then binds the same values once more.
        """
        for name, value in inner.values.items():
            self._bind(f"{prefix}_{name}", value)
        for name, columns in inner.tables.items():
            self.table(name, columns)
        return _NAME_OF_VALUE.sub(rf"{{{prefix}_\1:", sql)
