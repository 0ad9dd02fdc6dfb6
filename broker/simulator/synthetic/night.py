"""A night from beginning to end: a stream of packets, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from broker.errors import UsageError
from broker.simulator.synthetic.naming import night_number
from broker.simulator.synthetic.packet import PacketMaker, SyntheticPacket
from broker.simulator.synthetic.plan import SyntheticSurvey, plan_alerts, shares_of
from broker.simulator.synthetic.truth import TruthWriter

# A dark night in autumn: galaxies after midnight, the Galactic plane before.
DEFAULT_NIGHT = 20240910
_CHUNK = 256


def generate(
    n: int,
    seed: int,
    night: int = DEFAULT_NIGHT,
    shares: Mapping[str, float] | None = None,
    chunk: int = _CHUNK,
) -> Iterator[SyntheticPacket]:
    """Make n alerts of a night in order of time.

    Parameters
    ----------
    n
        Number of alerts.
    seed
        Same n, seed, night and shares: same bytes (another kind of processor may round the last
        digit of a number in a packet or two of a thousand). Seeds 0 to 44 share no exposure, so
        their alert ids differ even in one night; object names differ for neighbouring nights and
        seeds.
    night
        YYYYMMDD, UTC, from June 2019 on.
    shares
        Part of the alerts by population, such as ``{"sn_ia": 0.3, "agn": 0.7}``; None: as in
        the survey.
    chunk
        Packets made at a time; of no influence on them.

    Raises
    ------
    UsageError
        No alerts asked for, an unknown population, a night without history or without fields.
    """
    if n < 1:
        raise UsageError(f"a night of {n} alerts cannot be made; ask for at least one")
    survey = SyntheticSurvey(seed, night_number(night))
    plan = plan_alerts(survey, n, shares_of(shares))
    maker = PacketMaker(survey, plan, seed)
    for start in range(0, n, chunk):
        yield from maker.packets(np.arange(start, min(start + chunk, n)))


def write_night(
    n: int,
    seed: int,
    folder: Path,
    night: int = DEFAULT_NIGHT,
    shares: Mapping[str, float] | None = None,
) -> Path:
    """Write a night as ``<candid>.avro`` files with ``truth.parquet`` beside them.

    Parameters
    ----------
    folder
        Made if it is not there; must hold no packets yet.

    Returns
    -------
    Path
        The truth table.

    Raises
    ------
    UsageError
        As :func:`generate`, and when the folder already holds packets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if next(folder.glob("*.avro"), None) is not None:
        raise UsageError(f"{folder} already holds packets; choose an empty folder")
    with TruthWriter(folder) as truth:
        for packet in generate(n, seed, night, shares):
            (folder / f"{packet.candid}.avro").write_bytes(packet.value)
            truth.add(packet.truth)
    return truth.path
