"""Base class of the settings' sections."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

ENV_PREFIX = "NIGHTJAR__"
"""Environment variables are ``NIGHTJAR__SECTION__KEY``."""


class Section(BaseModel):
    """Base of all sections: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
