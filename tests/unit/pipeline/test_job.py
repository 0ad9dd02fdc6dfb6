"""The job frame: logs, locks, and one line with an exit code for whatever ends it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from py4j.protocol import Py4JError

from broker.errors import CheckFailed, FatalError, LockHeld
from broker.pipeline import job as frame
from broker.pipeline.job import open_job
from broker.settings import Settings, load_settings
from broker.sinks.locks import holder
from broker.tables.storage import Storage


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Leave other tests the handlers and formats that they had."""
    root = logging.getLogger()
    handlers, forms = root.handlers[:], [handler.formatter for handler in root.handlers]
    yield
    root.handlers = handlers
    for handler, form in zip(handlers, forms, strict=True):
        handler.setFormatter(form)


def settings_in(folder: Path, *words: str) -> Settings:
    return load_settings("ztf", None, [f"storage.root={folder}", *words], {})


def test_its_locks_are_held_until_it_ends(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    storage = Storage(settings.survey_root)
    with open_job("one", settings, ["raw", "science"]):
        assert holder(storage, "raw") is not None
        with (
            pytest.raises(LockHeld, match="stage science is being written"),
            open_job("two", settings, ["science"]),
        ):
            pass
    assert holder(storage, "raw") is None
    assert holder(storage, "science") is None


def test_spark_starts_only_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    monkeypatch.setattr(frame, "build_session", names.append)
    with open_job("archive", settings_in(tmp_path)) as job:
        assert names == []
        assert job.spark is job.spark
    assert names == ["nightjar ztf archive"]


def test_our_own_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="differ"), open_job("one", settings_in(tmp_path)):
        raise CheckFailed("two rows differ")


def test_an_engine_s_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FatalError) as caught, open_job("one", settings_in(tmp_path)):
        raise Py4JError("the gateway is gone\n\tat java.lang.Thread")
    assert str(caught.value) == "the job died: Py4JError: the gateway is gone"
    assert "Traceback" not in capsys.readouterr().err


def test_an_unexpected_error_keeps_its_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FatalError) as caught, open_job("one", settings_in(tmp_path)):
        raise ZeroDivisionError("by nought")
    assert caught.value.exit_code == 3
    assert "Traceback" in capsys.readouterr().err


def test_it_logs_in_the_form_of_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler()
    logging.getLogger().handlers = [handler]
    with open_job("one", settings_in(tmp_path, "logs.format=json")):
        handler.stream.write(handler.format(logging.makeLogRecord({"msg": "hello"})))
    said = json.loads(capsys.readouterr().err)
    assert (said["message"], said["survey"]) == ("hello", "ztf")
