"""A module tried on a batch: its time, nulls and failures, and whether its values stand alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from broker.science.engine.module import Module
from broker.science.engine.science_pass import SciencePass

_ALONE = 50
"""Alerts that are computed one by one as well."""


@dataclass(frozen=True)
class ModuleTrial:
    """What a module did.

    Attributes
    ----------
    seconds
        CPU time for all alerts together.
    nulls
        Alerts without a value, by field; a single value has the field ``""``.
    failures
        What was raised → on how many alerts.
    differing
        Fields whose value is another one when an alert comes alone.
    """

    n_alerts: int
    seconds: float
    nulls: Mapping[str, int]
    failures: Mapping[str, int]
    differing: tuple[str, ...]


def try_module(
    science: SciencePass, name: str, packets: Mapping[str, pa.Array], n_rows: int
) -> ModuleTrial:
    """Run one module of a pass on packets, after everything that it reads.

    Parameters
    ----------
    packets
        Path → array of shape (n_rows,), for all paths of the pass.
    """
    science.load()
    (module,) = (one for one in science.modules if one.name == name)
    batch = science.compute(packets, n_rows).batch
    arrays = [batch.array(wanted) for wanted in science.inputs[name]]
    # The pass has just run it once: what a first call loads is not counted.
    start = time.process_time()
    values, errors = module.run(arrays, n_rows)
    seconds = time.process_time() - start
    return ModuleTrial(
        n_alerts=n_rows,
        seconds=seconds,
        nulls={field: column.null_count for field, column in _fields(values)},
        failures=Counter(errors.values()),
        differing=tuple(_differing(module, arrays, values.slice(0, _ALONE))),
    )


def _differing(module: Module, arrays: Sequence[pa.Array], together: pa.Array) -> Iterator[str]:
    alone = pa.concat_arrays(
        module.run([array.slice(k, 1) for array in arrays], 1)[0] for k in range(len(together))
    )
    for (name, one), (_, other) in zip(_fields(together), _fields(alone), strict=True):
        if one.to_pylist() != other.to_pylist():
            yield name


def _fields(values: pa.Array) -> list[tuple[str, pa.Array]]:
    if not pa.types.is_struct(values.type):
        return [("", values)]
    return [(field.name, pc.struct_field(values, [field.name])) for field in values.type]
