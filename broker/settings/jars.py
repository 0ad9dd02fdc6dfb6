"""Java libraries of ``conf/ivy.xml``: Spark's connectors and the embedded Kafka server.

In a checkout ``bin/setup.sh`` fetches them into ``jars/``; a program installed from a wheel
fetches them here, once, into the user's cache.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from broker.errors import SettingsError
from broker.settings.paths import CONF_FOLDER, IN_CHECKOUT, jars_folder

JarSet = Literal["spark", "kafka"]


def jars(which: JarSet, java: str) -> Path:
    """Folder with the jars of one set, fetched first where an installed program lacks them.

    Parameters
    ----------
    which
        ``spark``: connectors for Kafka and Avro; ``kafka``: a whole Kafka server.
    java
        Path of the program ``java``.

    Raises
    ------
    SettingsError
        They are missing and cannot be fetched; the message says what to do.
    """
    folder = jars_folder() / which
    if any(folder.glob("*.jar")):
        return folder
    if IN_CHECKOUT:
        raise SettingsError(
            f"there are no jars in {folder}; run `bin/nightjar --version` once, which fetches them"
        )
    _fetch(jars_folder(), java)
    return folder


def _fetch(target: Path, java: str) -> None:
    """Put both sets into a new folder and rename it, so that what is there is complete."""
    print(f"nightjar: fetching Java libraries (53 MB) into {target}", file=sys.stderr)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as new:
        ivy = [
            *(java, "-jar", str(_ivy()), "-settings", str(CONF_FOLDER / "ivysettings.xml")),
            *("-ivy", str(CONF_FOLDER / "ivy.xml")),
            *("-retrieve", f"{new}/jars/[conf]/[artifact]-[revision].[ext]"),
        ]
        done = subprocess.run(
            ivy, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            wrong = [line for line in done.stdout.splitlines() if "not found" in line]
            raise SettingsError(
                f"cannot fetch the jars of {CONF_FOLDER / 'ivy.xml'}: "
                f"{(wrong or done.stderr.splitlines() or ['no reason given'])[-1].strip()}; is "
                "there a network? Behind a proxy set JAVA_TOOL_OPTIONS"
            )
        shutil.rmtree(target, ignore_errors=True)
        (Path(new) / "jars").rename(target)


def _ivy() -> Path:
    """Ivy's jar, which pyspark ships."""
    spec = find_spec("pyspark")
    found = [
        path
        for folder in (spec.submodule_search_locations or [] if spec else [])
        for path in Path(folder).glob("jars/ivy-*.jar")
    ]
    if not found:
        raise SettingsError(
            "pyspark is not installed; install the whole broker: nightjar-broker[broker]"
        )
    return found[0]
