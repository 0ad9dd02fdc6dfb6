"""The session that filters are evaluated in: ANSI off, whatever the stage's own says.

Spark decides at analysis what ``1/0`` is to be, by the session that analyses. So rows are moved,
as a plan, into this session before any filter is added to them.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

_CONF = {
    # A division by zero, a bad cast or index is null: no match, for that filter alone.
    "spark.sql.ansi.enabled": "false",
    # Or a part that two filters share would be computed outside of what guards each of them.
    "spark.sql.subexpressionElimination.enabled": "false",
    # Many filters fused into one loop make a method that is too long for Java to compile.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.session.timeZone": "UTC",
}
# Every expression compiled, nothing interpreted: shows what only fails in compiled code.
_COMPILED = {
    "spark.sql.codegen.factoryMode": "CODEGEN_ONLY",
    "spark.sql.codegen.maxFields": "100000",
}


def filter_session(spark: SparkSession, compiled: bool = False) -> SparkSession:
    """Make a session of the same application, without its temporary functions and views."""
    session = spark.newSession()
    for key, value in (_CONF | (_COMPILED if compiled else {})).items():
        session.conf.set(key, value)
    return session
