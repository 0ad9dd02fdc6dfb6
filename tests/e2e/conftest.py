"""A broker installation of its own for every test that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from broker.kafka.embedded.server import EmbeddedKafka
from tests.crafted import ztf_packets
from tests.e2e.site import Site, make_topic, produce

NIGHTLY = 240
PARTITIONS = 2


@pytest.fixture(scope="session")
def nightly(kafka: EmbeddedKafka) -> str:
    """A topic of `NIGHTLY` sound ZTF packets in `PARTITIONS` partitions, to be read only."""
    topic = "e2e_nightly"
    make_topic(kafka, topic, PARTITIONS)
    produce(kafka, topic, ztf_packets(range(NIGHTLY)))
    return topic


@pytest.fixture(scope="session")
def big_night(full_sweep: None, kafka: EmbeddedKafka) -> str:
    """A topic of 5,000 packets for the long sweeps."""
    topic = "e2e_big_night"
    make_topic(kafka, topic, PARTITIONS)
    produce(kafka, topic, ztf_packets(range(5_000)))
    return topic


@pytest.fixture(scope="module")
def site(
    kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Site]]:
    """Make a site; whatever it has started is gone after the module's tests."""
    sites: list[Site] = []

    def make(topic: str, survey: str = "ztf", **words: Any) -> Site:
        dotted = {key.replace("__", "."): str(value) for key, value in words.items()}
        root = tmp_path_factory.mktemp("site")
        sites.append(Site(root, kafka, topic, survey, dotted))
        return sites[-1]

    yield make
    for one in sites:
        one.stop_all()
