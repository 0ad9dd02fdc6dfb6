"""Filters: SQL conditions over the science columns, one Kafka topic each.

For a stage that evaluates them::

    filters = FilterSet(spark, folders, survey, schema, skip_bad=False)  # InputError: a bad file
    filters.reload()              # between two batches; True when the set has changed
    filters.keep(storage)         # writes ledger/filters/<digest>.toml where it is not yet
    filters.filters               # tuple[Filter, ...], sorted by name
    rows = filters.evaluate(science_rows)   # adds MATCHES: array<int>, indices of `filters`

``schema`` is the science table's Spark schema (``to_spark_schema(science_schema(…))``), and rows
are read with it. `evaluate` takes rows of any session and returns rows of a session of its own, in
which ANSI is off: on bad data a filter is null, whatever the settings of the stage.
"""

from broker.filters.definition import Filter
from broker.filters.filter_set import MATCHES, FilterSet
from broker.filters.folders import FilterFolders

__all__ = ["MATCHES", "Filter", "FilterFolders", "FilterSet"]
