"""
Which statements the sql report takes: one SELECT over the views, calling only functions that compute. Pure.

Two looks, both by lists of what is allowed. ``check_text`` looks at the characters and words before anything else sees them;
``check_tree`` at the tree that ClickHouse itself makes of the statement (EXPLAIN AST, which runs nothing), so that no
difference between two parsers can hide a table. The threats, and what stops each:

===============================================  ====================================================================
threat                                           stopped by
===============================================  ====================================================================
other tables, other databases, system tables     tree: a table is one name without a database, and no table of ours
a view's name taken for the table under it       text: WITH may not define a name of a table; filters on the tables
``x IN other_table``                             tree: no identifier is a table's name or begins with a database's
table functions: url file remote merge values    tree: a table expression is a name or a subquery
functions that read: file joinGet dictGet        tree: functions by list (sql_functions.py)
functions hidden in ``* APPLY f``                tree: that node is not on the list
SETTINGS, FORMAT, INTO OUTFILE                   text: the words; tree: the root has one child, no Set node
several statements, comments, heredocs           text: their characters
a way out of the parentheses around it           text: its own match, each where it stands
parameters ``{app_ids:…}``                       text: braces
names with line breaks that fake a tree line     text: what may stand in quoted names
look-alike letters, invisible characters         text: ASCII outside of quotes
a guess confirmed by an error or its absence     settings: the filter by app is computed before anything of the statement,
on rows of another app                           messages with values are not passed on
too much time, memory, rows, columns             settings of the query
===============================================  ====================================================================

The list of functions is what keeps files closed: the engine that a local installation runs lets the function ``file`` read any
path of the machine, whatever the user's rights.

Beyond that the reader's user has SELECT on our database only, may not write, and for this query every table but those under the
views is filtered to nothing, the events to the apps of the question (``sql_report.py``).
"""

from __future__ import annotations

import re

from query_api.errors import InvalidRequest
from query_api.sql_functions import is_allowed

PATH = "$.sql"
VIEWS = ("events", "sessions", "users", "scenes")

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<string>'(?:[^'\\\x00]|\\.|'')*')
    | (?P<quoted>`[^`"\\\x00-\x1f\x7f]+`|"[^`"\\\x00-\x1f\x7f]+")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[A-Za-z_0-9]*)
    | (?P<sign>->|::|<=>|<=|>=|<>|!=|==|\|\||[()\[\],.=<>*/%+\-?:])
    """,
    re.X | re.S,
)
_CLOSED_BY = {"(": ")", "[": "]"}
_FORBIDDEN_WORDS = {
    "settings": "settings are the server's",
    "outfile": "the answer is the only output",
    "infile": "only the views can be read",
}

_NODES = frozenset(
    """
    SelectWithUnionQuery SelectIntersectExceptQuery SelectQuery ExpressionList Identifier Function Literal Subquery Asterisk
    QualifiedAsterisk ColumnsRegexpMatcher ColumnsListMatcher QualifiedColumnsRegexpMatcher QualifiedColumnsListMatcher
    ColumnsTransformerList ColumnsExceptTransformer ColumnsReplaceTransformer ColumnsReplaceTransformer::Replacement
    TablesInSelectQuery TablesInSelectQueryElement TableExpression TableIdentifier TableJoin ArrayJoin OrderByElement
    WithElement WindowListElement WindowDefinition InterpolateElement Collation SampleRatio
    """.split()  # noqa: SIM905 (read as a list)
)
_LINE = re.compile(r"^(?P<indent> *)(?P<node>[A-Za-z:]+)(?: (?P<rest>.*))?$", re.S)
_SUFFIX = re.compile(r"(?: \(alias [^()]*\))?(?: \(children \d+\))?$")


def _refuse(message: str) -> InvalidRequest:
    return InvalidRequest(PATH, message)


def check_text(statement: str, tables: set[str]) -> None:
    """
    Refuse a statement by its characters and words.

    ``tables``: names of all tables, those that share a view's name included.
    Errors: ``invalid_request`` for ``$.sql``.
    """
    words: list[str] = []
    open_: list[str] = []
    at = 0
    while at < len(statement):
        found = _TOKEN.match(statement, at)
        if found is None or statement.startswith(("--", "/*", "//"), at):
            raise _refuse(
                f"character {at + 1}: {statement[at]!r} cannot stand there; one SELECT without comments, "
                "parameters and ';', in ASCII outside of quotes"
            )
        if found.lastgroup == "quoted" and not found[0].isprintable():
            raise _refuse(f"character {at + 1}: a quoted name has letters that cannot be seen")
        if found.lastgroup != "space":
            words.append(found[0])
        if found[0] in _CLOSED_BY:
            open_.append(_CLOSED_BY[found[0]])
        elif found[0] in _CLOSED_BY.values() and (not open_ or open_.pop() != found[0]):
            raise _refuse(f"character {at + 1}: {found[0]!r} closes nothing")
        at = found.end()
    if open_:
        raise _refuse(f"{open_[-1]!r} is missing")
    if not words or words[0].upper() not in ("SELECT", "WITH"):
        raise _refuse("begin with SELECT or WITH")
    for i, word in enumerate(words):
        if reason := _FORBIDDEN_WORDS.get(word.lower()):
            raise _refuse(f"{word} cannot stand in a statement: {reason}")
        if word.upper() == "FORMAT" and words[i + 1 : i + 2] != ["("]:
            raise _refuse(
                "FORMAT cannot stand in a statement: the Accept header chooses the format"
            )
        defines = _defines(words, i)
        if defines is not None and defines in tables | set(VIEWS):
            raise _refuse(f"WITH cannot define {defines!r}: it is the name of a table or view")


def _defines(words: list[str], i: int) -> str | None:
    """Return the name that a WITH element defines whose ``AS`` is word ``i``."""
    if words[i].upper() != "AS" or i == 0:
        return None
    rest = [word.upper() for word in words[i + 1 : i + 4]]
    if not rest or rest[0] not in ("(", "MATERIALIZED", "NOT"):
        return None
    before = i - 1
    if words[before] == ")":  # name(column, …) AS (…)
        while before > 0 and words[before] != "(":
            before -= 1
        before -= 1
    return words[before].strip('`"') if before >= 0 else None


def check_tree(lines: list[str], tables: set[str], databases: set[str]) -> None:
    """
    Refuse a statement by ClickHouse's own syntax tree.

    Args:
        lines: of EXPLAIN AST.
        tables: names of all tables.
        databases: names of all databases.

    Errors: ``invalid_request`` for ``$.sql``.
    """
    hidden = tables - set(VIEWS)
    parsed = []
    for line in lines:
        found = _LINE.match(line)
        if found is None or found["node"] not in _NODES:
            raise _refuse(f"this part of SQL is not offered: {line.strip()[:60]}")
        parsed.append((len(found["indent"]), found["node"], _SUFFIX.sub("", found["rest"] or "")))
    if parsed[0][:2] != (0, "SelectWithUnionQuery") or any(
        indent <= 1 and node != "ExpressionList" for indent, node, _ in parsed[1:]
    ):
        raise _refuse("give one SELECT, without FORMAT, SETTINGS or INTO OUTFILE")
    for (indent, node, name), after in zip(parsed, [*parsed[1:], None], strict=True):
        if " (alias " in name:  # a line that ends within its alias, or a name that looks so
            raise _refuse(f"{name[:60]!r} cannot be a name")
        if node == "Function" and not is_allowed(name):
            raise _refuse(f"the function {name[:60]} is not offered")
        if node == "TableIdentifier" and ("." in name or name in hidden):
            raise _refuse(f"there is no view {name[:60]!r}; there are {', '.join(VIEWS)}")
        if node == "TableExpression" and (
            after is None
            or after[0] != indent + 1
            or after[1] not in ("TableIdentifier", "Subquery")
        ):
            raise _refuse("a statement can read views and subqueries only, no table functions")
        if node == "Identifier" and (
            name in hidden or ("." in name and name.split(".")[0] in databases)
        ):
            raise _refuse(f"{name[:60]!r} is no column of a view")
