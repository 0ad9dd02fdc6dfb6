"""Surveys by name."""

from __future__ import annotations

from broker.errors import SettingsError
from broker.surveys.base import PacketPaths, Survey
from broker.surveys.elasticc import ELASTICC
from broker.surveys.ztf import ZTF

__all__ = ["SURVEYS", "PacketPaths", "Survey", "get_survey"]

SURVEYS = {survey.name: survey for survey in (ZTF, ELASTICC)}


def get_survey(name: str) -> Survey:
    """Survey of that name.

    Raises
    ------
    SettingsError
        No such survey; the message lists the known ones.
    """
    if name not in SURVEYS:
        raise SettingsError(f"unknown survey {name!r}; known: {', '.join(SURVEYS)}")
    return SURVEYS[name]
