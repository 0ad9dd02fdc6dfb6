"""The kinds of sources in a synthetic night, one module per family."""

from broker.simulator.synthetic.populations.artefact import Artefact
from broker.simulator.synthetic.populations.base import Population, Realised, Sources
from broker.simulator.synthetic.populations.core_collapse import CoreCollapse, Superluminous
from broker.simulator.synthetic.populations.eruptive import Cataclysmic, Flare, Orphan
from broker.simulator.synthetic.populations.moving import KnownAsteroid, NewAsteroid
from broker.simulator.synthetic.populations.nuclear import (
    ActiveNucleus,
    TidalDisruption,
    YoungStar,
)
from broker.simulator.synthetic.populations.periodic import (
    Cepheid,
    DeltaScuti,
    EclipsingBinary,
    LongPeriod,
    RrLyrae,
)
from broker.simulator.synthetic.populations.supernova_ia import SupernovaIa

# The order is part of "same seed, same bytes": append, never reorder.
POPULATIONS: tuple[Population, ...] = (
    SupernovaIa(),
    CoreCollapse(),
    Superluminous(),
    TidalDisruption(),
    ActiveNucleus(),
    RrLyrae(),
    DeltaScuti(),
    Cepheid(),
    EclipsingBinary(),
    LongPeriod(),
    YoungStar(),
    Cataclysmic(),
    Flare(),
    Orphan(),
    KnownAsteroid(),
    NewAsteroid(),
    Artefact(),
)

__all__ = ["POPULATIONS", "Population", "Realised", "Sources"]
