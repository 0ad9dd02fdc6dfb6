"""Filter definitions: one TOML file each, read and validated without Spark."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from broker.errors import InputError
from broker.kafka.topic_names import MARKER
from broker.nearest import did_you_mean
from broker.surveys import SURVEYS

Payload = Literal["full", "lite", "cutouts", "classification"]
# Kafka allows 249 characters for a topic, prefix and survey included.
_NAME = re.compile(r"[a-z0-9_]{1,150}")


class Filter(BaseModel):
    """An SQL condition that selects alerts of one survey for a Kafka topic of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="name of the filter: its topic is <prefix>_<survey>_<name>")
    description: str = Field(description="one scientific sentence")
    source: str = Field(description="paper or practice it follows")
    survey: str
    where: str = Field(description="SQL over the science columns")
    max_share: float = Field(
        0.05, gt=0, le=1, description="fraction (0–1) of the stream it may pass"
    )
    payload: Payload = "full"
    owner: str = ""
    version: str = ""
    examples: tuple[int, ...] = Field((), description="ids of alerts that must pass")

    @field_validator("name")
    @classmethod
    def _fits_a_topic(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a topic is named after it: use at most 150 of a-z, 0-9 and _")
        return name

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name == MARKER:
            raise ValueError("the marker topic has that name; choose another")
        return name

    @field_validator("description", "source", "where")
    @classmethod
    def _is_said(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("it is empty")
        return text

    @field_validator("survey")
    @classmethod
    def _is_known(cls, survey: str) -> str:
        if survey not in SURVEYS:
            raise ValueError(f"no such survey; known: {', '.join(SURVEYS)}")
        return survey

    @field_validator("payload")
    @classmethod
    def _is_offered(cls, payload: Payload, info: ValidationInfo) -> Payload:
        survey = SURVEYS.get(info.data.get("survey", ""))
        if payload == "classification" and survey is not None and survey.answer is None:
            raise ValueError(f"{survey.name} takes no answers; choose full, lite or cutouts")
        return payload

    @property
    def digest(self) -> str:
        """Identity of what it sends: 16 hex digits of the SHA-256 of survey, where and payload."""
        decisive = json.dumps([self.survey, self.where, self.payload])
        return hashlib.sha256(decisive.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FilterFile:
    """A filter with its file."""

    path: Path
    text: str
    filter: Filter

    def location(self, start: int) -> str:
        """Location of character ``start`` of the where: ``file:line:column``, counted from 1."""
        where = self.filter.where
        # A description may contain the same text.
        key = _position_of_key(self.text, "where")
        begin = self.text.find(where, key)
        if begin < 0:  # written with escapes, so that file and value differ
            line, column = _line_and_column(where, start)
            return f"{self.path}: where, line {line}, column {column}"
        line, column = _line_and_column(self.text, begin + start)
        return f"{self.path}:{line}:{column}"


def read_filter(path: Path) -> FilterFile:
    """Read one filter file; its where is not checked.

    Raises
    ------
    InputError
        Names file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
        values = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"cannot read the filter {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    try:
        return FilterFile(path, text, Filter.model_validate(values))
    except ValidationError as error:
        lines = [_explain(path, text, item) for item in error.errors()]
        raise InputError("\n".join(lines)) from None


def _explain(path: Path, text: str, item: Any) -> str:
    key = str(item["loc"][0])
    if item["type"] == "missing":
        meaning = Filter.model_fields[key].description
        return f"{path}: {key} is required" + (f": {meaning}" if meaning else "")
    location = f"{path}:{line_of_key(text, key)}"
    if item["type"] == "extra_forbidden":
        return f"{location}: unknown key {key}; {did_you_mean(key, list(Filter.model_fields))}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{location}: {key} = {item['input']!r}: {message}"


def line_of_key(text: str, key: str) -> int:
    """Line on which a file gives a key, counted from 1; 1 if it does not."""
    return _line_and_column(text, _position_of_key(text, key))[0]


def _position_of_key(text: str, key: str) -> int:
    """Start of the line of a key, 0 if there is none."""
    found = re.search(rf"""^[ \t]*["']?{re.escape(key)}["']?[ \t]*[.=]""", text, re.MULTILINE)
    return found.start() if found else 0


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
