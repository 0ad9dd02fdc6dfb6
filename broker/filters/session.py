"""Session in which filters are evaluated: ANSI off, whatever the stage's own session says.

The session that analyses a plan decides the result of ``1/0``. So rows are moved, as a plan, into
this session before any filter is added to them.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

_CONF = {
    # A division by zero, a bad cast or index is null: no match, only for that filter.
    "spark.sql.ansi.enabled": "false",
    # Or a part that two filters share would be computed outside the guards of both.
    "spark.sql.subexpressionElimination.enabled": "false",
    # Many filters fused into one loop make a method that is too long for the JIT compiler.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.session.timeZone": "UTC",
}
# Every expression compiled, none interpreted: shows errors of compiled code.
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
