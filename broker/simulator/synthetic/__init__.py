"""A synthetic ZTF night, since recorded packets are not ours to ship.

``generate(n, seed, night=20240910, shares=None) -> Iterator[SyntheticPacket]``
    n alerts in order of time; each has ``value`` (the container's bytes), ``candid``,
    ``object_id``, ``jd`` and ``truth`` (one row of the truth table). Memory stays flat.
``write_night(n, seed, folder, night=20240910, shares=None) -> Path``
    ``<folder>/<candid>.avro`` and ``<folder>/truth.parquet``, whose path it returns.

From the inside out: ``draws`` (random numbers by name), ``sky``, ``almanac``, ``conditions`` and
``cadence`` (when the survey looked where, how deep), ``populations`` (what is there), ``plan``
(which alerts the night has), ``observe`` (an object's measured past), ``catalogue``,
``detections``, ``history``, ``stamps`` and ``packet`` (the record), ``night`` (all of it).
"""

from broker.simulator.synthetic.night import DEFAULT_NIGHT, generate, write_night
from broker.simulator.synthetic.packet import SyntheticPacket

__all__ = ["DEFAULT_NIGHT", "SyntheticPacket", "generate", "write_night"]
