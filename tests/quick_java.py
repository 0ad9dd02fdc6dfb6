"""Options for JVMs that live for a test only: they start, and die, before C2 has paid off."""

from __future__ import annotations

QUICK_JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"}
