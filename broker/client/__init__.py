"""Client of a subscriber: alerts from a topic or from files, decoded and selected."""

from __future__ import annotations

from broker.client.alert import Alert, Received
from broker.client.iterate import Alerts, iterate

__all__ = ["Alert", "Alerts", "Received", "iterate"]
