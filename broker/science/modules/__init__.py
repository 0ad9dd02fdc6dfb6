"""Science modules: pandas UDFs with a declaration, each in one file to read from top to bottom.

A whole module, which runs as it stands::

    import pandas as pd
    import pyarrow as pa
    from pyspark.sql.pandas.functions import pandas_udf

    from broker.science.engine.declaration import science_module, spark_type
    from broker.science.engine.series import ModuleAlerts
    from broker.tables.declaration import column

    OUTPUT = pa.struct(
        [
            column("is_bright", pa.bool_(), "", "brighter than 18 mag"),
            column("n_points", pa.int32(), "", "entries of the light curve"),
        ]
    )

    @science_module(version="1.0", inputs=("mag", "lightcurve.mag"), output=OUTPUT)
    @pandas_udf(spark_type(OUTPUT))
    def brightness(mag: pd.Series, mags: pd.Series) -> pd.DataFrame:
        \"\"\"Whether the alert is bright, and how much is known of it.\"\"\"
        alerts = ModuleAlerts.of({"mag": mag, "mags": mags}, lists=["mags"])
        bright = alerts.floats("mag") < 18
        return alerts.frame(OUTPUT, {"is_bright": bright, "n_points": alerts.lengths("mags")})

``alerts.select(brightness("mag", "lightcurve.mag"))`` runs it in any Spark job,
``brightness.func(mag, mags)`` on plain Series, `register_udfs` makes the built-in ones functions of
SQL, and the live pass calls the same function. `ModuleAlerts` reads a Series on Arrow and one of
Spark's alike. The values of an alert must not depend on the other alerts of the batch, on the
clock or on chance.

Your own functions need nothing of this: see ``conf/modules`` in docs/science-modules.md.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from broker.science.engine.declaration import ScienceModule
from broker.science.modules.classifier import classifier, classifier_of
from broker.science.modules.real_bogus import real_bogus
from broker.science.modules.slope import slope
from broker.science.modules.solar_system import solar_system

__all__ = [
    "built_in",
    "classifier",
    "classifier_of",
    "real_bogus",
    "register_udfs",
    "slope",
    "solar_system",
]


def built_in(survey: str) -> tuple[ScienceModule, ...]:
    """The modules that ship with Nightjar, in the order of the science table."""
    return (real_bogus, solar_system, slope, classifier_of(survey))


def register_udfs(spark: SparkSession, survey: str = "ztf") -> None:
    """Make the built-in modules functions of Spark's SQL, under their names.

    Parameters
    ----------
    survey
        Whose model the function ``classifier`` has.
    """
    for module in built_in(survey):
        spark.udf.register(module.declaration.name, module)
