"""docs/science-modules.md: its file of a module is one, and it names every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pyarrow as pa

from broker.science.engine.own import ModuleFile


def test_the_example_of_a_file_is_read_and_every_key_is_in_the_table(project_root: Path) -> None:
    text = (project_root / "docs/science-modules.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    file = ModuleFile.model_validate(tomllib.loads(block))
    assert file.output == pa.float64()
    for key in ModuleFile.model_fields:
        assert re.search(rf"^\|.*`{key}`.*\|", text, flags=re.MULTILINE), key
