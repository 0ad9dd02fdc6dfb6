"""``nightjar science check``: a module of your own, tried on alerts without Spark."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broker.errors import InputError
from broker.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from broker.science.engine.science_pass import SciencePass
    from broker.science.engine.trial import ModuleTrial

_SEED = 1
_MICRO = 1e6


def check_module(
    file: Path, settings: Settings, packets: Path | None, raw: bool, n_alerts: int
) -> tuple[list[str], bool]:
    """Lines that tell how a module did, and whether it failed on any alert.

    Raises
    ------
    InputError
        The module's file cannot be used, or there are no alerts to try it on.
    """
    from broker.science.engine.own import own_modules, read_module
    from broker.science.engine.science_pass import SciencePass
    from broker.science.engine.trial import try_module

    module = read_module(file)
    others = tuple(one for one in own_modules(settings.science.folder) if one.name != module.name)
    science = SciencePass(settings.survey, settings.science, (*others, module))
    if module.name in science.left_out:
        raise InputError(f"{file}: {science.left_out[module.name]}")
    if raw:
        arrays, n_rows = _raw_arrays(science, settings, n_alerts)
    else:
        arrays, n_rows = _packet_arrays(science, settings, packets, n_alerts)
    if not n_rows:
        raise InputError("there are no alerts to try it on")
    trial = try_module(science, module.name, arrays, n_rows)
    return list(_lines(module.name, trial)), bool(trial.failures)


def _packet_arrays(
    science: SciencePass, settings: Settings, packets: Path | None, n_alerts: int
) -> tuple[Mapping[str, pa.Array], int]:
    from broker.science.engine.packet_arrays import packet_arrays
    from broker.surveys import get_survey

    source = _synthetic(settings, n_alerts) if packets is None else _recorded(settings, packets)
    records = list(islice(source, n_alerts))
    return packet_arrays(records, science.paths, get_survey(settings.survey)), len(records)


def _synthetic(settings: Settings, n_alerts: int) -> Iterator[Mapping[str, Any]]:
    import fastavro

    from broker.simulator.synthetic import generate

    if settings.survey != "ztf":
        raise InputError(f"synthetic alerts are ZTF's; for {settings.survey} give --packets FOLDER")
    for packet in generate(n_alerts, _SEED):
        yield from fastavro.reader(io.BytesIO(packet.value))  # type: ignore[misc]


def _recorded(settings: Settings, packets: Path) -> Iterator[Mapping[str, Any]]:
    from broker.client import iterate

    yield from iterate(packets, schema=settings.ingest.schema_path, settings=settings)


def _raw_arrays(
    science: SciencePass, settings: Settings, n_alerts: int
) -> tuple[Mapping[str, pa.Array], int]:
    """Rows of the raw table, from its newest part."""
    from broker.surveys.arrow_columns import follow
    from broker.tables.files import files_of, retry_while_replaced
    from broker.tables.read_arrow import parts_of
    from broker.tables.storage import Storage

    storage = Storage(settings.survey_root)
    tops = list(dict.fromkeys(path.partition(".")[0] for path in science.paths))

    def read() -> pa.Table | None:
        parts = list(parts_of(storage, files_of(storage, "raw")))
        return parts[-1].head(n_alerts, columns=tops) if parts else None

    table = retry_while_replaced(read)
    if table is None:
        raise InputError(f"{settings.survey_root} has no raw rows; is storage.root right?")
    arrays = {
        path: follow(_one_chunk(table[path.partition(".")[0]]), path.split(".")[1:])
        for path in science.paths
    }
    return arrays, table.num_rows


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _lines(name: str, trial: ModuleTrial) -> Iterator[str]:
    alerts = "1 alert" if trial.n_alerts == 1 else f"{trial.n_alerts} alerts"
    per_alert = _MICRO * trial.seconds / trial.n_alerts
    yield f"{name}: {alerts}, {per_alert:.1f} µs of CPU time per alert"
    for field, nulls in trial.nulls.items():
        yield f"  {field or name}: null for {nulls} ({nulls / trial.n_alerts:.1%})"
    yield f"  failures: {sum(trial.failures.values())}"
    for error, count in sorted(trial.failures.items(), key=lambda item: -item[1])[:5]:
        yield f"    {count} × {error}"
    for field in trial.differing:
        yield (
            f"  {field or name}: another value when an alert comes alone; it depends on the batch, "
            "so reprocess changes it"
        )
