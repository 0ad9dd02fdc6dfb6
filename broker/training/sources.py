"""The training set of a survey, the synthetic night included."""

from __future__ import annotations

from pathlib import Path

from broker.errors import InputError, UsageError
from broker.simulator.synthetic import generate
from broker.training import elasticc, ztf
from broker.training.packets import Record, decode
from broker.training.training_set import TrainingSet

NIGHT_SEED = 44
"""Not the seed of the demo's night, which nobody should have learnt from."""
NIGHT_ALERTS = 3000
NIGHT_SHARES = {
    **{"agn": 0.25, "rr_lyrae": 0.1, "eclipsing_binary": 0.1, "long_period": 0.1},
    **{"cataclysmic": 0.1, "delta_scuti": 0.05, "cepheid": 0.05, "young_star": 0.05},
    **{"bogus": 0.05, "sn_ia": 0.05, "core_collapse": 0.05, "tde": 0.03, "slsn": 0.02},
}
_FOLDERS = {
    "ztf": (
        *("labelled/bts_antares", "labelled/alerce_catalog_labels", "labelled/ztf_packets"),
        *("ztf", "ztf_rebuilt"),
    ),
    "elasticc": ("labelled/elasticc_fink",),
}


def read_training_set(survey: str, data: Path) -> TrainingSet:
    """Everything to train a survey's model.

    Raises
    ------
    UsageError
        There is no classifier for this survey.
    InputError
        A data set is not in the folder.
    """
    if survey not in _FOLDERS:
        raise UsageError(f"no classifier for survey {survey!r}; there are {', '.join(_FOLDERS)}")
    for folder in _FOLDERS[survey]:
        if not (data / folder).is_dir():
            raise InputError(f"{data / folder} is not there; --data names the folder that holds it")
    if survey == "elasticc":
        return elasticc.build_training_set(data)
    return ztf.build_training_set(data, _synthetic_night())


def _synthetic_night() -> list[tuple[Record, str]]:
    packets = list(generate(NIGHT_ALERTS, NIGHT_SEED, shares=NIGHT_SHARES))
    records = decode(packet.value for packet in packets)
    return [(r, p.truth["class"]) for r, p in zip(records, packets, strict=True)]
