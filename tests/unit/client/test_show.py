"""What a terminal shows of alerts."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker.client import Alert
from broker.client.describe import describe_packet, schema_tree
from broker.client.save import AlertFolder
from broker.client.show import BriefTable, as_json
from broker.packets.schemas import Schema


def test_json_is_sorted_with_sizes_for_bytes_and_every_digit_of_an_id(
    record: Callable[..., dict[str, Any]],
) -> None:
    text = as_json(record())
    shown = json.loads(text)
    assert list(shown) == sorted(shown)
    assert text.startswith('{\n    "candid": "2481126852115015004",\n    "candidate": {\n        ')
    assert shown["cutoutScience"] == {"data": "<12,345 bytes>"}
    assert shown["cutoutTemplate"] is None
    assert shown["candidate"]["jd"] == 2460235.62685


def test_json_shows_small_integers_as_numbers_and_times_as_text() -> None:
    time = datetime.datetime(2024, 1, 31, 4, 5, 6, tzinfo=datetime.UTC)
    shown = json.loads(as_json({"n": 2**53, "yes": True, "t": time, "list": [-(2**60)]}))
    expected = {"n": 2**53, "yes": True, "t": "2024-01-31T04:05:06+00:00", "list": [str(-(2**60))]}
    assert shown == expected


def test_brief_lines_have_one_header_and_aligned_columns(
    record: Callable[..., dict[str, Any]],
) -> None:
    table = BriefTable()
    header, first = table.lines(record())
    (second,) = table.lines(record(candidate={"drb": None}))
    assert header.split()[:6] == ["object", "alert", "jd", "fid", "magpsf", "sigmapsf"]
    assert first.split()[:5] == ["ZTF23aaa", "2481126852115015004", "2460235.62685", "2", "19.5000"]
    assert len(header) == len(first) == len(second)
    assert "323.38039" in first
    assert "0.7500" not in second


def test_brief_lines_of_an_unknown_survey_show_its_first_values() -> None:
    alert = {"name": "AT2024x", "when": 1.5, "pixels": b"..", "where": {"ra": 2.0, "id": 2**40}}
    header, line = BriefTable().lines(alert)
    assert header.split() == ["object", "alert", "name", "when", "ra"]
    assert line.split() == ["-", "-", "AT2024x", "1.5000", "2.00000"]


def test_brief_lines_know_what_nightjar_sends_out() -> None:
    science = {"alert_id": 5, "object_id": "ZTF1", "mjd": 60000.0, "real_bogus": {"score": 0.9}}
    header, line = BriefTable().lines({**science, "objectId": "ZTF1", "candid": 5})
    assert header.split()[-2:] == ["real_bogus.score", "classifier.score"]
    assert line.split()[:3] == ["ZTF1", "5", "60000.00000"]


def test_the_tree_shows_types_and_unfolds_a_record_once(
    schema: Schema, alert: Callable[..., Alert]
) -> None:
    labels = [str(branch.label) for branch in schema_tree(schema).children]
    assert labels[0].split() == ["objectId", "string"]
    assert labels[3].split() == [
        "prv_candidates",
        "array",
        "of",
        "candidate",
        "or",
        "null,",
        "as",
        "above",
    ]
    assert labels[4].split() == ["cutoutScience", "record", "cutout", "or", "null"]
    assert len(schema_tree(schema).children[2].children) == 5
    lines = dict(line.split(maxsplit=1) for line in describe_packet(alert().received))
    assert lines["version"] == "9.1"
    assert lines["framing"].startswith("container")
    assert lines["fields"] == "6 at the top, 12 with those within records"


def test_saved_alerts_are_containers_named_by_alert(
    tmp_path: Path, alert: Callable[..., Alert]
) -> None:
    folder = AlertFolder(tmp_path / "new" / "folder")
    as_sent = alert("container", candid=1)
    assert folder.save(as_sent).read_bytes() == as_sent.received.value
    rewrapped = folder.save(alert("bare", candid=2))
    assert rewrapped.name == "2.avro"
    assert rewrapped.read_bytes()[:4] == b"Obj\x01"


def test_an_object_with_several_alerts_keeps_them_all(
    tmp_path: Path, alert: Callable[..., Alert]
) -> None:
    folder = AlertFolder(tmp_path, "object")
    same_id = {"candid": 2, "prv_candidates": []}
    for changes in ({"candid": 1}, {"candid": 2}, {"candid": 1}, same_id, same_id):
        folder.save(alert(**changes))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["ZTF23aaa.avro", "ZTF23aaa_2.avro", "ZTF23aaa_2_2.avro"]


def test_an_id_cannot_leave_the_folder(tmp_path: Path, alert: Callable[..., Alert]) -> None:
    path = AlertFolder(tmp_path, "object").save(alert(objectId="../../etc/passwd"))
    assert path.parent == tmp_path
