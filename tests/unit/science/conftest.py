"""Recorded packets and the columns that the modules make of them, computed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from tests.recorded_packets import Computed, elasticc_packets, ztf_packets

BUILT_IN = ("real_bogus", "solar_system", "slope")


@pytest.fixture(scope="session")
def ztf(shared_data: Path) -> Computed:
    """Every real ZTF packet."""
    return Computed(ztf_packets(shared_data), SciencePass("ztf", ScienceSettings(modules=BUILT_IN)))


@pytest.fixture(scope="session")
def elasticc(shared_data: Path, project_root: Path) -> Computed:
    """Nights of the 2022 stream, in nJy."""
    schema = project_root / "schemas/elasticc/0.9"
    packets = [
        packet
        for archive in largest_archives(shared_data / "elasticc/fink", 12)
        for packet in elasticc_packets(archive, schema)[:60]
    ]
    return Computed(packets, SciencePass("elasticc", ScienceSettings(modules=BUILT_IN)))


@pytest.fixture(scope="session")
def elasticc_prototype(shared_data: Path) -> Computed:
    """Nights of the prototype, whose fluxes have the zero point 27.5."""
    packets = [
        packet
        for archive in largest_archives(shared_data / "elasticc/prototype", 25)
        for packet in elasticc_packets(archive)
    ]
    settings = ScienceSettings(modules=BUILT_IN, flux_zero_point=27.5)
    return Computed(packets, SciencePass("elasticc", settings))


def largest_archives(folder: Path, n: int) -> list[Path]:
    return sorted(folder.glob("NITE*.tar.gz"), key=lambda path: -path.stat().st_size)[:n]
