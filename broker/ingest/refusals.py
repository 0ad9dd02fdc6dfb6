"""Reasons why a packet is refused, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention


@dataclass(frozen=True)
class Refusal:
    """One reason.

    Parameters
    ----------
    holds
        Condition (boolean; null counts as false).
    reason
        Code in the quarantine table.
    detail
        Text with the offending value.
    """

    holds: Column
    reason: str
    detail: Column


def first_refusal(refusals: Sequence[Refusal]) -> tuple[Column, Column]:
    """Code and detail of the first refusal that holds; null where none does."""
    reason = F.when(refusals[0].holds, F.lit(refusals[0].reason))
    detail = F.when(refusals[0].holds, refusals[0].detail)
    for refusal in refusals[1:]:
        reason = reason.when(refusal.holds, F.lit(refusal.reason))
        detail = detail.when(refusal.holds, refusal.detail)
    return reason, detail
