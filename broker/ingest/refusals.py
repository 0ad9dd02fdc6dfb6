"""Refusals of packets as columns: the first reason that holds, and its detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from broker.packets.reasons import Reason


@dataclass(frozen=True)
class Refusal:
    """One reason to refuse a packet.

    Parameters
    ----------
    holds
        Condition (boolean; null counts as false).
    reason
        Its code is kept in the quarantine table.
    detail
        Text with the offending value.
    """

    holds: Column
    reason: Reason
    detail: Column


def first_refusal(refusals: Sequence[Refusal]) -> tuple[Column, Column]:
    """Code and detail of the first refusal that holds; null where none does."""
    first, *others = refusals
    reason = F.when(first.holds, F.lit(first.reason.value))
    detail = F.when(first.holds, first.detail)
    for refusal in others:
        reason = reason.when(refusal.holds, F.lit(refusal.reason.value))
        detail = detail.when(refusal.holds, refusal.detail)
    return reason, detail
