"""What the science table holds, counted."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from broker.errors import UsageError
from broker.query.archive import Archive
from broker.tables.files import retry_while_replaced

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
        self._root = survey_root
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
        batches = [row["batch"] for row in self._rows("SELECT DISTINCT batch")]
        # A batch that is being compacted has two rows, which are the same.
        sent = retry_while_replaced(lambda: self._sent(batches))
        by_batch = {row["key"]: row["by_filter"] for row in sent}
        for batch, counts in by_batch.items():
            for count in counts:
                found[count["name"]][count["digest"]].append(batch)
        return found

    def _sent(self, batches: list[str]) -> list[dict[str, Any]]:
        """What the ledger says of distributed batches: ``key, by_filter``."""
        own = [self._root / f"ledger/stage=distribute/{batch}.parquet" for batch in batches]
        paths = [path for path in own if path.is_file()]
        paths += (self._root / "ledger/folded/stage=distribute").glob("*.parquet")
        if not paths:
            return []
        wanted = pc.field("key").isin(batches)
        tables = ds.dataset([*map(str, paths)])
        rows: list[dict[str, Any]]
        rows = tables.to_table(columns=["key", "by_filter"], filter=wanted).to_pylist()
        return rows

    def _matches(self, texts: dict[str, list[str]]) -> int:
        total = 0
        for digest, batches in texts.items():
            path = self._root / f"ledger/filters/{digest}.toml"
            where = tomllib.loads(path.read_text("utf-8"))["where"] if path.is_file() else "false"
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
