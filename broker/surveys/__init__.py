"""Surveys by name."""

from __future__ import annotations

from broker.errors import SettingsError
from broker.surveys.base import PacketPaths, Survey, closest_paths
from broker.surveys.elasticc import ELASTICC
from broker.surveys.pgir import PGIR
from broker.surveys.winter import WINTER
from broker.surveys.ztf import ZTF

__all__ = ["SURVEYS", "PacketPaths", "Survey", "add_survey", "closest_paths", "get_survey"]

SURVEYS = {survey.name: survey for survey in (ZTF, ELASTICC, WINTER, PGIR)}


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


def add_survey(survey: Survey) -> None:
    """Make a survey known in this process.

    What Spark runs in its workers calls this first, with the driver's own survey: one that does not
    ship with Nightjar is not known there otherwise.
    """
    SURVEYS.setdefault(survey.name, survey)
