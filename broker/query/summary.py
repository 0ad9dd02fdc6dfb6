"""Counts over the science table: alerts by class, reality, solar-system code and filter."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from broker.errors import UsageError
from broker.query.archive import Archive
from broker.tables.filter_texts import FilterTexts
from broker.tables.ledger import Ledger
from broker.tables.stages import DISTRIBUTE
from broker.tables.storage import Storage

Counts = list[tuple[str, int]]

_SOLAR_SYSTEM = {
    0: "0, none of these",
    1: "1, first time seen",
    2: "2, candidate",
    3: "3, known object",
}


class ScienceSummary:
    """Counts over one survey's science table.

    Parameters
    ----------
    survey_root
        The survey's folder.
    nights
        Only the nights ``A`` or ``A..B``; none: all.
    """

    def __init__(self, survey_root: Path, nights: str | None = None) -> None:
        storage = Storage(str(survey_root))
        self._ledger, self._texts = Ledger(storage), FilterTexts(storage)
        self._archive = Archive(survey_root, "arrow")
        self._nights = nights

    def totals(self) -> dict[str, int]:
        """Number of alerts and of objects."""
        row = self._rows("SELECT count(*) AS alerts, count(DISTINCT object_id) AS objects")[0]
        return {name: int(count) for name, count in row.items()}

    def by_class(self) -> Counts:
        """Alerts by the classifier's label, or by its reason where it has none."""
        return self._count("coalesce(classifier.label, 'no class: ' || classifier.reason, 'off')")

    def by_solar_system_code(self) -> Counts:
        """Alerts by solar-system code."""
        counts = self._count("coalesce(solar_system.code::varchar, 'unknown')")
        return [
            (_SOLAR_SYSTEM[int(code)] if code.isdigit() else code, n) for code, n in sorted(counts)
        ]

    def by_reality(self) -> Counts:
        """Alerts by real-bogus verdict."""
        return self._count(
            "case when real_bogus.is_real then 'real' "
            "when real_bogus.is_real is null then 'unknown' else 'bogus' end"
        )

    def by_filter(self) -> Counts:
        """Alerts by the filters that sent them, by name; a filter that DuckDB can't evaluate: −1.

        A batch may hold several nights, so its matches are looked for again, with the filter's
        text as it was.
        """
        batches = self._batches_by_filter()
        return [(name, self._matches(texts)) for name, texts in sorted(batches.items())]

    def _batches_by_filter(self) -> dict[str, dict[str, list[str]]]:
        """Name of a filter → digest of its text → batches that were sent with it."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        batches = {row["batch"] for row in self._rows("SELECT DISTINCT batch")}
        sent = self._ledger.commit_times(DISTRIBUTE).keys() & batches
        for key, row in self._ledger.some_rows(DISTRIBUTE, sent).items():
            for count in row.by_filter:
                found[count.name][count.digest].append(key)
        return found

    def _matches(self, batches_by_text: dict[str, list[str]]) -> int:
        total = 0
        for digest, batches in batches_by_text.items():
            where = self._texts.where(digest) or "false"
            listed = ", ".join(f"'{batch}'" for batch in batches)
            condition = f"batch IN ({listed}) AND (\n{where}\n)"
            try:
                total += self._rows("SELECT count(*) AS n", f"WHERE {condition}")[0]["n"]
            except UsageError:
                return -1
        return total

    def _count(self, expression: str) -> Counts:
        rows = self._rows(f"SELECT {expression} AS name, count(*) AS n", "GROUP BY ALL")
        counts = [(str(row["name"]), int(row["n"])) for row in rows]
        return sorted(counts, key=lambda count: (-count[1], count[0]))

    def _rows(self, select: str, rest: str = "") -> list[dict[str, Any]]:
        found: Any = self._archive.sql(f"{select} FROM science {rest}", self._nights)
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows
