"""What a job says, as JSON."""

from __future__ import annotations

import json
import logging

from broker.logs import JsonLines, lines_about, note


def said(message: str, *words: object) -> dict[str, object]:
    record = logging.LogRecord("broker.x", logging.INFO, "x.py", 1, message, words, None)
    line = JsonLines("ztf").format(record)
    assert "\n" not in line
    return json.loads(line)


def test_a_line_says_survey_query_batch_and_nights() -> None:
    with lines_about(query="raw"):
        note(batch="abcdef01-000003", night=[20240707])
        line = said("read %d", 7)
    assert line.pop("time")
    assert line == {
        "level": "INFO",
        "message": "read 7",
        "survey": "ztf",
        "query": "raw",
        "batch": "abcdef01-000003",
        "night": [20240707],
    }


def test_after_the_batch_its_lines_are_no_longer_about_it() -> None:
    with lines_about(query="raw"):
        note(batch="abcdef01-000003")
    assert said("idle").keys() == {"time", "level", "message", "survey"}


def test_a_trace_stays_in_one_line() -> None:
    try:
        raise ValueError("so")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "died", (), True)
        import sys  # noqa: PLC0415

        record.exc_info = sys.exc_info()
    line = JsonLines("ztf").format(record)
    assert "\n" not in line
    assert "ValueError: so" in json.loads(line)["trace"]
