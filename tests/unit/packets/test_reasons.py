"""Reason codes stay as they are on disk, and the operators' table is made from them."""

from __future__ import annotations

from pathlib import Path

from broker.packets.reasons import QUARANTINED, reasons_table


def test_codes_on_disk_stay() -> None:
    assert {reason.value for reason in QUARANTINED} == {
        *("empty", "not_avro", "not_confluent", "truncated", "header_unreadable"),
        *("container_form", "decode_failed", "schema_unknown", "header_unknown"),
        *("id_missing", "position_invalid", "time_invalid"),
    }


def test_the_operators_page_shows_the_table_of_reasons(project_root: Path) -> None:
    page = (project_root / "docs" / "operators.md").read_text()
    block = page.partition("reasons_table -->\n\n")[2].partition("\n<!-- end of reasons -->")[0]
    assert block == reasons_table()
