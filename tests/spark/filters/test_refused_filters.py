"""What is no deterministic expression of one alert is refused by name, and mistakes are placed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import BooleanType

from broker.errors import InputError
from broker.filters.check import CheckedFilter, Checker
from broker.filters.tree import Tree
from broker.spark.jvm import parse

Check = Callable[[str], CheckedFilter]

REFUSED = {
    "a subquery": ["mag > (select 1)", "exists(select 1)", "alert_id in (select 1)"],
    "an aggregate": ["max(mag) > 1", "count(*) > 1", "is_positive AND avg(mag) > 1"],
    "a window function": [
        "row_number() over (order by mag) > 1",
        "max(mag) over (partition by object_id) > 1",
        "rank() over (order by mag) > 1",
    ],
    "several rows": ["explode(array(true))", "inline(lightcurve)", "posexplode(array(1))"],
    "groups alerts by time": [
        "window(science_at, '1 hour') is null",
        "session_window(science_at, '1 hour') is null",
    ],
    "Java": [
        "reflect('java.lang.Math', 'abs', 1) = '1'",
        "java_method('java.lang.Math', 'abs', 1) = '1'",
        "try_reflect('java.lang.Math', 'abs', 1) = '1'",
    ],
    "stops the stream": [
        "raise_error('x')",
        "mag > 1 OR raise_error('x') is null",
        "assert_true(mag > 1) is null",
    ],
    "random": [
        *("rand() > 0.5", "random() > 0.5", "randn() > 1", "uuid() = 'x'", "randstr(3) = 'a'"),
        *("shuffle(lightcurve.mag)[0] = 1", "uniform(0, 1) > 0.5"),
        "hex(aes_encrypt(band, '0000111122223333')) > '8'",
    ],
    "the clock": [
        *("now() > science_at", "current_date > science_at", "curdate() > science_at"),
        *("current_timestamp() > science_at", "localtimestamp() > science_at"),
        *("current_time() > time'10:00:00'", "unix_timestamp() > 1"),
        *("science_at < timestamp 'now'", "science_at > DATE'Yesterday'", "science_at < 'now'"),
        *("science_at < cast(' today' as date)", "science_at > to_timestamp('now')"),
    ],
    "how the rows are stored": [
        *("input_file_name() = 'x'", "input_file_block_start() = 1", "spark_partition_id() = 1"),
        *("input_file_block_length() = 1", "monotonically_increasing_id() = 1"),
    ],
    "who runs it": [
        *("current_user() = 'a'", "session_user = 'a'", "current_timezone() = 'x'"),
        *("current_database() = 'x'", "current_catalog() = 'x'", "version() = '1'"),
    ],
    "regular expression": [
        *("band rlike 'a'", "regexp_like(band, 'a')", "regexp_replace(band, 'a', 'b') = 'a'"),
        *("regexp_extract(band, 'a') = 'a'", "regexp_extract_all(band, '(a)')[0] = 'a'"),
        *("regexp_count(band, 'a') = 1", "regexp_instr(band, 'a') = 1"),
        *("regexp_substr(band, 'a') = 'a'", "split(band, 'a')[0] = 'a'"),
    ],
    "memory": [
        *("sequence(1, 3)[0] = 1", "repeat('a', 3) = 'a'", "space(3) = 'a'"),
        *("lpad(band, 3, 'a') = 'a'", "rpad(band, 3, 'a') = 'a'", "array_repeat(1, 3)[0] = 1"),
    ],
}
MISTAKES = [
    ("mgg < 18", "7:1: ztf has no column mgg; did you mean mag?"),
    (
        "mag < 1\n  AND candidate.dr > 0.5",
        "8:7: ztf has no column candidate.dr; did you mean cand",
    ),
    ("mag < 1 AND drb > 0.5", "7:13: ztf has no column drb; did you mean candidate.drb?"),
    ("classifier.scor > 0.5", "7:1: ztf has no column classifier.scor; did you mean classifier.sc"),
    ("exists(lightcurve, x -> x.magg < 15)", "7:25: ztf has no column x.magg; did you mean mag?"),
    ("diaSource.snr > 5", "7:1: ztf has no column diaSource.snr"),
    ("mag <", "8:1: Syntax error at or near end of input"),
    ("mag < 18;drop table x", "7:9: Syntax error at or near ';'"),
    ("mag, band", "7:4: Syntax error at or near ','"),
    ("mag < 18 AND", "7:10: expected one condition, so 'AND' is out of place"),
    ("mag < 18\n is_positive", "8:2: expected one condition, so 'is_positive' is out of place"),
    ("*", "7:1: expected one condition"),
    ("mag", "7:1: the where is not a condition but a value of type double"),
    (
        "mag AND is_positive",
        '7:1: Cannot resolve "(mag AND is_positive)" due to data type mismatch',
    ),
    ("fooo(mag) > 1", "7:1: Spark has no function fooo"),
    ("abs(mag, 2) > 1", "7:1: The `abs` requires 1 parameters but the actual number is 2"),
    ("mag > :limit", "7:7: Found the unbound parameter: limit"),
    ("candidate > 5", '7:1: Cannot resolve "(candidate > 5)" due to data type mismatch'),
]
SHARED = [
    "real_bogus.is_real",
    "mag < 18.5 AND NOT is_positive OR band IN ('g', 'r')",
    "coalesce(candidate.distnr BETWEEN 0 AND 1.5, false) AND candidate.isdiffpos = 't'",
    "abs(gal_lat_deg) > 10 AND alert_id % 113 = 0 AND mag / 2 + 1 - 3 * 2 <> -1",
    "CASE WHEN band = 'g' THEN mag < 20 ELSE mag < 19 END",
    "solar_system.name IS NULL AND candidate.drb IS NOT NULL -- deep network ran",
]
OUTSIDE = [
    ("exists(lightcurve, x -> x.mag < 15)", "7:1: exists(lightcurve, x -> x.mag < 15) is outside"),
    ("mag <=> 1", "7:1: mag <=> 1 is outside"),
    ("is_positive AND sqrt(mag) > 3", "7:17: sqrt(mag) is outside"),
    ("cast(mag as int) = 18", "7:1: cast(mag as int) is outside"),
    ("lightcurve[0].mag < 15", "7:1: lightcurve[0].mag is outside"),
    ("band LIKE 'g%'", "7:1: band LIKE 'g%' is outside"),
    ("mag / mag_err > 5", "7:1: mag / mag_err by 0 is null here"),
    ("alert_id % candidate.fid = 0", "7:1: alert_id % candidate.fid by 0 is null here"),
    ("1 / 0 > 1", "7:1: 1 / 0 by 0 is null here"),
    ("band > 3", "7:1: band > 3 reads text as a number"),
    ('band = "g"', "7:1: DuckDB does not read this where"),
]


@pytest.mark.parametrize(
    ("reason", "where"), [(reason, where) for reason, all_ in REFUSED.items() for where in all_]
)
def test_a_filter_with_it_is_refused_with_the_reason(check: Check, reason: str, where: str) -> None:
    with pytest.raises(InputError, match="refused") as caught:
        check(where)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("where", "name", "column"),
    [
        ("mag < 18 AND rand() > 0.5", "rand()", 14),
        ("mag < 18 AND NOT current_date > science_at", "current_date", 18),
        ("java_method('java.lang.Math', 'abs', 1) = '1'", "java_method('java.lang.Math', ", 1),
        ("mag > (select max(mag) from science)", "(select max(mag) from ", 7),
    ],
)
def test_the_refusal_names_what_the_author_wrote_and_where(
    checker: Checker, check: Check, where: str, name: str, column: int
) -> None:
    checker.session.range(1).selectExpr("id AS mag").createOrReplaceTempView("science")
    with pytest.raises(InputError) as caught:
        check(where)
    assert f"f.toml:7:{column}: {name}" in str(caught.value)


def test_a_user_defined_function_is_refused(checker: Checker, check: Check) -> None:
    checker.session.udf.register("is_nice", lambda _mag: True, BooleanType())
    with pytest.raises(InputError, match=r"is_nice\(mag\) is refused: it is a user-defined"):
        check("is_nice(mag)")


def test_a_function_registered_in_the_jobs_own_session_is_unknown(
    checker: Checker, check: Check
) -> None:
    checker.session.newSession().udf.register("only_there", lambda _mag: True, BooleanType())
    with pytest.raises(InputError, match="Spark has no function only_there"):
        check("only_there(mag)")


@pytest.mark.parametrize(("where", "message"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_the_nearest_column(
    check: Check, where: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        check(where)
    assert f"f.toml:{message}" in str(caught.value)


@pytest.mark.parametrize("where", SHARED)
def test_the_shared_sql_loads_without_a_warning(check: Check, where: str) -> None:
    assert check(where).warnings == ()


@pytest.mark.parametrize(("where", "warning"), OUTSIDE)
def test_what_is_beyond_the_shared_sql_loads_with_a_warning_that_names_it(
    check: Check, where: str, warning: str
) -> None:
    warnings = check(where).warnings
    assert any(f"f.toml:{warning}" in one for one in warnings), warnings


def test_a_part_outside_is_named_once_and_its_own_parts_are_not(check: Check) -> None:
    warnings = check("exists(lightcurve, x -> sqrt(x.mag) < 4) OR sqrt(mag) < 4").warnings
    assert [one.partition("f.toml:")[2].split()[0] for one in warnings] == ["7:1:", "7:45:"]


def test_the_type_of_a_record_is_not_spelled_out(check: Check) -> None:
    with pytest.raises(InputError) as caught:
        check("candidate > 5")
    assert '("STRUCT<jd: DOUBLE, fid: INT' in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_spark_would_not_take_as_a_condition_is_found_by_the_trial(
    checker: Checker, check: Check
) -> None:
    number = Tree(parse(checker.session, "mag"), "mag")
    failed = checker.try_out([replace(check("mag < 18"), evaluated=number)])
    assert "f cannot be evaluated: " in str(failed["f"])


@pytest.mark.parametrize(
    "where",
    [
        "date_format(science_at, 'zzzzzz') = 'a'",
        "to_timestamp(band, 'qqqqq') is null",
        "from_utc_timestamp(science_at, 'nowhere') is null",
        r"band LIKE 'a\\'",
    ],
)
def test_constants_that_only_fail_in_compiled_code_are_found_by_the_trial(
    checker: Checker, check: Check, where: str
) -> None:
    checked = check(where)
    failed = checker.try_out([checked])
    assert list(failed) == ["f"]
    assert "f.toml:7:1: f cannot be evaluated: " in str(failed["f"])


@pytest.mark.parametrize(
    "where",
    [
        "mag" + " + 1" * 3000 + " > 0",
        "(" * 3000 + "mag > 0" + ")" * 3000,
        "NOT " * 3000 + "is_positive",
    ],
    ids=["sum", "brackets", "not"],
)
def test_a_where_that_is_nested_too_deeply_is_refused(check: Check, where: str) -> None:
    with pytest.raises(InputError, match=r"f\.toml:7:1: .*(too complex|StackOverflow|too deeply)"):
        check(where)


def test_errors_elsewhere_are_still_sparks_own(spark: SparkSession, check: Check) -> None:
    check("mag < 18")
    with pytest.raises(AnalysisException):
        spark.range(1).selectExpr("nothing")


def test_spark_does_not_log_the_authors_mistakes(
    check: Check, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(InputError):
        check("mgg < 18")
    assert caplog.records == []
    assert "SQLQueryContextLogger" not in capfd.readouterr().err
