"""Shared SQL: warnings about parts of a filter that Spark and DuckDB may read differently.

Such a filter is allowed; DuckDB over the Parquet files may select other alerts, or fail.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from broker.filters.floats import is_asked_for
from broker.filters.tree import Node, Tree

_KINDS = {
    *("UnresolvedAttribute", "Literal", "And", "Or", "Not", "IsNull", "IsNotNull", "In"),
    *("EqualTo", "LessThan", "LessThanOrEqual", "GreaterThan", "GreaterThanOrEqual", "CaseWhen"),
    *("Add", "Subtract", "Multiply", "UnaryMinus", "UnaryPositive", "Divide", "Remainder"),
    "UnresolvedFunction",
}
# BETWEEN is a function for Spark; other nodes have no name.
_FUNCTIONS = {"coalesce", "abs", "between", ""}
_NUMBERS = ("byte", "short", "integer", "long", "float", "double", "decimal")


class DuckDBReader:
    """DuckDB as a reader of conditions over the science columns.

    Parameters
    ----------
    schema
        The science table's.
    """

    def __init__(self, schema: StructType) -> None:
        self._science = to_arrow_schema(schema).empty_table()

    def objection(self, where: str) -> str | None:
        """First line of DuckDB's error about a condition; None if it can read it."""
        # DuckDB complains on stderr about a connection that is open when the process ends.
        with duckdb.connect() as connection:
            connection.register("science", self._science)
            try:
                connection.execute(f"DESCRIBE SELECT (\n{where}\n) FROM science")
            except duckdb.Error as error:
                return str(error).partition("\n")[0]
        return None


def outside_shared_sql(parsed: Tree, analysed: Tree) -> Iterator[tuple[Node, Tree, str]]:
    """Yield outermost nodes that are not shared, with their tree and what is different."""
    for node, what in _outermost(parsed.root):
        yield node, parsed, what
    for node in analysed.nodes:
        if node.kind == "Cast" and _reads_text_as_number(node):
            yield node, analysed, "reads text as a number: null if it is not one; DuckDB: an error"


def _outermost(node: Node) -> Iterator[tuple[Node, str]]:
    if node.kind not in _KINDS or _function_name(node) not in _FUNCTIONS:
        yield node, "is outside the SQL that Spark and DuckDB share"
        return
    if node.kind in ("Divide", "Remainder") and not _is_by_number(node):
        yield node, "by 0 is null here, so no match; DuckDB: infinity or an error"
    for child in node.children:
        yield from _outermost(child)


def _function_name(node: Node) -> str:
    if node.kind != "UnresolvedFunction":
        return ""
    return str(node.java.nameParts().mkString(".")).lower()


def _is_by_number(division: Node) -> bool:
    """Whether the divisor is a number other than 0."""
    divisor = division.children[1]
    if divisor.kind != "Literal":
        return False
    try:
        return float(divisor.java.toString()) != 0
    except ValueError:
        return False


def _reads_text_as_number(cast: Node) -> bool:
    if not cast.type_name.startswith(_NUMBERS) or is_asked_for(cast.java):
        return False
    return cast.children[0].type_name == "string"
