"""Fixtures of all tests: where things are, and one Kafka for those that need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.kafka.host import free_port
from broker.kafka.server import EmbeddedKafka

ROOT = Path(__file__).resolve().parents[1]
# What is quick to fail comes first.
ORDER = ["unit", "spark", "e2e", "bench"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place_in_order)


def _place_in_order(item: pytest.Item) -> int:
    folders = [name for name in ORDER if ROOT / "tests" / name in item.path.parents]
    return ORDER.index(folders[0]) if folders else 0


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of recorded packets beside the checkout; they are not ours to ship."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"recorded packets are not here ({folder})")
    return folder


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A running Kafka for the whole session; give every test topics of its own."""
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), free_port())
    broker.start()
    yield broker
    broker.stop()
