"""conf/nightjar.toml says of each key what the code says, and gives the code's default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from pydantic import BaseModel

from broker.settings import CONF_FOLDER, Settings
from broker.settings.layers import section_model
from broker.settings.listing import meaning_of

TEXT = (CONF_FOLDER / "nightjar.toml").read_text(encoding="utf-8")


def described(text: str) -> Iterator[tuple[str, str, str]]:
    """Section, key (empty for the section itself) and the comment right above it."""
    section, comment = "", []
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
            yield section, "", " ".join(comment)
        elif setting := re.match(r"(\w+) =", line):
            yield section, setting[1], " ".join(comment)
        comment = []


def fields(model: type[BaseModel]) -> dict[str, str]:
    """Description of each key of a section."""
    return {f.alias or name: f.description or "" for name, f in model.model_fields.items()}


def test_every_comment_is_the_setting_s_description() -> None:
    seen = list(described(TEXT))
    assert len(seen) > 25
    for section, key, comment in seen:
        model = section_model(section) if section else Settings
        assert model is not None
        assert comment == (fields(model)[key] if key else meaning_of(section)), (section, key)


def test_a_key_without_a_comment_is_seen() -> None:
    assert list(described("# What it is.\n[a]\nb = 1\n")) == [
        ("a", "", "What it is."),
        ("a", "b", ""),
    ]


def test_every_value_is_the_code_s_default_where_it_has_one() -> None:
    for section, keys in tomllib.loads(TEXT).items():
        model = section_model(section)
        for name, field in model.model_fields.items() if model else ():
            key = field.alias or name
            # Without a default, or with none, the shipped file chooses.
            if key in keys and not field.is_required() and field.default is not None:
                assert keys[key] == field.default, (section, key)


def test_every_setting_has_a_meaning_that_is_a_sentence() -> None:
    for section in Settings.model_fields:
        model = section_model(section)
        for key, meaning in (fields(model) if model else fields(Settings)).items():
            if model is None and key != section:
                continue
            assert re.fullmatch(r"\S.*\S\.", meaning), (section, key, meaning)
            assert not re.search(r"\bso (many|long)\b|\bwant|\bshall\b|\balone\b", meaning), key
