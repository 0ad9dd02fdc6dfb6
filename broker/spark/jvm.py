"""Calls into Spark's JVM: the only lines that touch ``_jvm``, ``_jdf``, ``_jsc`` or the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from py4j.protocol import Py4JError
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import StructType

# --- process -------------------------------------------------------------------------------------


def java_classes(spark: SparkSession) -> Any:
    """Root of Java's packages; a class is reached by its dotted name."""
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    return jvm


def system_property(spark: SparkSession, name: str) -> str | None:
    """System property of the driver's JVM; None where it is not set."""
    value = java_classes(spark).System.getProperty(name)
    return None if value is None else str(value)


def has_class(spark: SparkSession, name: str) -> bool:
    """Whether the driver's JVM can load a class."""
    loader = java_classes(spark).Thread.currentThread().getContextClassLoader()
    return loader.getResource(name.replace(".", "/") + ".class") is not None


def jvm_lives(spark: SparkSession) -> bool:
    """Whether the JVM still answers."""
    try:
        java_classes(spark).System.nanoTime()
    except (Py4JError, ConnectionError):
        return False
    return True


def listen_in_jvm(spark: SparkSession, on_signal: Callable[[], None]) -> None:
    """Call ``on_signal`` when the JVM gets TERM or INT, instead of letting it exit at once."""

    class Handler:
        def handle(self, _signal: Any) -> None:
            on_signal()

        class Java:
            implements = ("sun.misc.SignalHandler",)

    gateway = spark.sparkContext._gateway
    assert gateway is not None
    ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
    jvm = gateway.jvm
    for name in ("TERM", "INT"):
        jvm.sun.misc.Signal.handle(jvm.sun.misc.Signal(name), Handler())


# --- frames and expressions ----------------------------------------------------------------------


def move(rows: DataFrame, session: SparkSession) -> DataFrame:
    """Rows of any session as rows of this one."""
    datasets = java_classes(session).org.apache.spark.sql.classic.Dataset
    return DataFrame(datasets.ofRows(session._jsparkSession, rows._jdf.logicalPlan()), session)


def row_of_nulls(session: SparkSession, schema: StructType) -> DataFrame:
    """One row of nulls, without a Python worker."""
    classes = java_classes(session)
    values = classes.java.util.Collections.nCopies(len(schema), None).toArray()
    rows = classes.java.util.Collections.singletonList(
        classes.org.apache.spark.sql.RowFactory.create(values)
    )
    java_rows = session.sparkContext._jsc.parallelize(rows, 1)
    java_schema = session._jsparkSession.parseDataType(schema.json())
    return DataFrame(session._jsparkSession.createDataFrame(java_rows, java_schema), session)


def parse(session: SparkSession, text: str) -> Any:
    """Catalyst's tree of an SQL expression, names not looked up yet."""
    return session._jsparkSession.sessionState().sqlParser().parseExpression(text)


def as_column(session: SparkSession, expression: Any) -> Column:
    """Column of a parsed expression."""
    utils = java_classes(session).org.apache.spark.sql.classic.ExpressionUtils
    return Column(utils.column(expression))


def guarded(session: SparkSession, expression: Any) -> Column:
    """Column of a parsed expression that is null where computing it fails."""
    expressions = java_classes(session).org.apache.spark.sql.catalyst.expressions
    return as_column(session, expressions.TryEval(expression))


def analysed_plan(rows: DataFrame) -> Iterator[Any]:
    """Nodes of a frame's analysed plan, from the top."""
    return plan_nodes(rows._jdf.queryExecution().analyzed())


def items(sequence: Any) -> Iterator[Any]:
    """Items of a Scala sequence."""
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


def plan_nodes(plan: Any) -> Iterator[Any]:
    """Node of a plan and all nodes below it, parents first."""
    yield plan
    for child in items(plan.children()):
        yield from plan_nodes(child)
