"""Recorded or synthetic packets, and the columns that the modules compute, once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.science.engine.science_pass import SciencePass
from broker.settings import ScienceSettings
from tests.recorded_packets import (
    Computed,
    elasticc_packets,
    elasticc_prototype_packets,
    ztf_packets,
)

BUILT_IN = ("real_bogus", "solar_system", "slope")


@pytest.fixture(scope="session")
def ztf(recorded_data: Path | None) -> Computed:
    """Every recorded ZTF packet, or synthetic ones."""
    science = SciencePass("ztf", ScienceSettings(modules=BUILT_IN))
    return Computed(ztf_packets(recorded_data), science)


@pytest.fixture(scope="session")
def elasticc(recorded_data: Path | None) -> Computed:
    """Nights of the 2022 stream, in nJy, or synthetic packets."""
    science = SciencePass("elasticc", ScienceSettings(modules=BUILT_IN))
    return Computed(elasticc_packets(recorded_data, nights=12, at_most=60), science)


@pytest.fixture(scope="session")
def elasticc_prototype(recorded_data: Path | None) -> Computed:
    """Nights of the prototype, whose fluxes have the zero point 27.5, or synthetic packets."""
    settings = ScienceSettings(modules=BUILT_IN, flux_zero_point=27.5)
    packets = elasticc_prototype_packets(recorded_data, nights=25)
    return Computed(packets, SciencePass("elasticc", settings))
