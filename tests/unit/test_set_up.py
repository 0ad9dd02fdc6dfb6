"""Set-up on machines that lack something: bin/nightjar with stand-ins for uv, Java and the net."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Stands in for Java: knows its version, and "downloads" what Ivy would.
JAVA = """#!/bin/bash
case "$*" in
*-version*) echo 'openjdk version "{version}" 2024-01-01' >&2; exit 0 ;;
esac
echo ivy >>"$CALLS"
[[ -z "${{OFFLINE:-}}" ]] || {{ echo "Host somewhere not found. url=x"; exit 1; }}
while [[ "$1" != -retrieve ]]; do shift; done
for folder in spark kafka; do
    mkdir -p "${{2%%/\\[*}}/$folder"
    echo content >"${{2%%/\\[*}}/$folder/some.jar"
done
"""
# Stands in for uv: makes an environment whose Python only repeats what it is asked.
UV = """#!/bin/bash
echo "uv $1" >>"$CALLS"
case "$1" in
venv)
    for folder; do :; done
    mkdir -p "$folder/bin" "$folder/lib/python3.11/site-packages/pyspark/jars"
    cat >"$folder/bin/python" <<SCRIPT
#!/bin/bash
case "\\$*" in
*broker.commands.app*) echo "\\$PWD: \\$*" ;;
*) exec REAL "\\$@" ;;
esac
SCRIPT
    chmod +x "$folder/bin/python" ;;
sync)
    [[ -z "${OFFLINE:-}" ]] || { echo "error: could not connect" >&2; exit 2; }
    sleep "${SLOW:-0}" ;;
esac
"""


class Machine:
    """A checkout and a PATH of which the test knows every program."""

    def __init__(self, folder: Path, project_root: Path) -> None:
        self.checkout = folder / "checkout"
        self.bin = folder / "path"
        self.calls = folder / "calls"
        self.env = {"PATH": str(self.bin), "HOME": str(folder), "CALLS": str(self.calls)}
        self.bin.mkdir()
        for program in Path("/usr/bin").iterdir():
            if not program.name.startswith(("python", "java", "uv", "pip")):
                (self.bin / program.name).symlink_to(program)
        for name in ("bin", "conf"):
            shutil.copytree(project_root / name, self.checkout / name)
        shutil.copy(project_root / "uv.lock", self.checkout)

    def program(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text.replace("REAL", sys.executable))
        path.chmod(0o755)
        return path

    def complete(self) -> Machine:
        self.program("python3", '#!/bin/bash\nexec REAL "$@"\n')
        self.program("java", JAVA.format(version="17.0.2"))
        self.program("uv", UV)
        return self

    def nightjar(self, *words: str, cwd: Path | None = None, **env: str):
        return subprocess.run(
            [str(self.checkout / "bin" / "nightjar"), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            env={**self.env, **env},
        )

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, project_root: Path) -> Machine:
    return Machine(tmp_path, project_root)


def test_a_missing_java_is_named_with_the_way_to_one(machine: Machine) -> None:
    done = machine.nightjar()
    assert done.returncode == 2
    assert "found no Java; Spark and Kafka need Java 17 to 22" in done.stderr
    assert "apt install openjdk-17" in done.stderr or "export JAVA_HOME=" in done.stderr


@pytest.mark.parametrize(("version", "shown"), [("1.8.0_392", "8"), ("11.0.2", "11"), ("25", "25")])
def test_an_unfit_java_is_named(machine: Machine, version: str, shown: str) -> None:
    java = machine.program("java", JAVA.format(version=version))
    done = machine.nightjar()
    assert done.returncode == 2
    assert f"found Java {shown} ({java}); Spark and Kafka need Java 17 to 22" in done.stderr


def test_a_java_without_the_vector_module_is_refused(machine: Machine) -> None:
    java = "#!/bin/bash\n[[ $# == 1 ]] && echo 'openjdk version \"17\"' >&2\n"
    machine.program("java", java)
    done = machine.nightjar()
    assert done.returncode == 2
    assert "lacks the module jdk.incubator.vector" in done.stderr


def test_a_java_home_without_java_is_named(machine: Machine) -> None:
    done = machine.complete().nightjar(JAVA_HOME="/nowhere")
    assert done.returncode == 2
    assert "JAVA_HOME is '/nowhere', but there is no bin/java in it" in done.stderr


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.complete()
    python = machine.program("python3", "#!/bin/bash\necho 3.9.2\n")
    done = machine.nightjar()
    assert done.returncode == 2
    assert f"found Python 3.9.2 ({python}); Nightjar needs Python >= 3.11" in done.stderr
    assert "apt install python3" in done.stderr


def test_a_newer_python_beside_an_old_one_is_taken(machine: Machine) -> None:
    machine.complete()
    machine.program("python3", "#!/bin/bash\necho 3.9.2\n")
    machine.program("python3.12", '#!/bin/bash\nexec REAL "$@"\n')
    assert machine.nightjar().returncode == 0


def test_nightjar_python_is_the_only_one_looked_at(machine: Machine) -> None:
    machine.complete()
    done = machine.nightjar(NIGHTJAR_PYTHON="/nowhere/python3")
    assert done.returncode == 2
    assert "found no Python at NIGHTJAR_PYTHON=/nowhere/python3" in done.stderr


def test_set_up_runs_once_and_then_starts_at_once(machine: Machine) -> None:
    first = machine.complete().nightjar("status", "--now", cwd=machine.bin)
    assert first.stdout == f"{machine.bin}: -P -m broker.commands.app status --now\n"
    assert "making the Python environment" in first.stderr
    assert "fetching the jars" in first.stderr
    assert machine.called() == ["uv venv", "uv sync", "ivy"]

    second = machine.nightjar("status")
    assert second.stderr == ""
    assert len(machine.called()) == 3


def test_it_works_through_a_symbolic_link(machine: Machine) -> None:
    machine.complete()
    link = machine.bin / "nightjar"
    link.symlink_to(machine.checkout / "bin" / "nightjar")
    done = subprocess.run(
        ["nightjar", "status"], capture_output=True, text=True, check=False, env=machine.env
    )
    assert done.returncode == 0, done.stderr


def test_without_network_it_says_so_and_goes_on_the_next_time(machine: Machine) -> None:
    machine.complete()
    offline = machine.nightjar(OFFLINE="1")
    assert offline.returncode == 2
    assert "error: could not connect" in offline.stderr
    assert "could not install the Python packages" in offline.stderr
    assert "If this machine has no network" in offline.stderr
    assert machine.nightjar().returncode == 0


def test_jars_that_cannot_be_fetched_are_explained(machine: Machine) -> None:
    machine.complete().nightjar()
    shutil.rmtree(machine.checkout / "jars")
    offline = machine.nightjar(OFFLINE="1")
    assert offline.returncode == 2
    assert (
        "could not fetch the jars; Ivy says:\nnightjar: Host somewhere not found\n"
        in offline.stderr
    )
    assert "If this machine has no network" in offline.stderr
    assert machine.nightjar().returncode == 0


def test_a_cut_or_lost_jar_is_fetched_again(machine: Machine) -> None:
    machine.complete().nightjar()
    jar = machine.checkout / "jars" / "spark" / "some.jar"
    jar.write_text("cut")
    assert machine.nightjar().returncode == 0
    assert jar.read_text() == "content\n"
    jar.unlink()
    assert machine.nightjar().returncode == 0
    assert jar.exists()


def test_an_unfinished_environment_is_made_afresh(machine: Machine) -> None:
    machine.complete().nightjar()
    (machine.checkout / ".venv" / ".nightjar").unlink()
    (machine.checkout / ".venv" / "half").touch()
    (machine.checkout / ".setup" / "environment-unfinished").touch()
    done = machine.nightjar()
    assert "did not finish: starting it afresh" in done.stderr
    assert not (machine.checkout / ".venv" / "half").exists()


def test_a_new_lock_file_brings_the_environment_up_to_date(machine: Machine) -> None:
    machine.complete().nightjar()
    with (machine.checkout / "uv.lock").open("a") as lock:
        lock.write("# changed\n")
    assert machine.nightjar().returncode == 0
    assert machine.called() == ["uv venv", "uv sync", "ivy", "uv sync"]


def test_two_set_ups_at_once_do_the_work_once(machine: Machine) -> None:
    machine.complete()
    words = [str(machine.checkout / "bin" / "nightjar"), "status"]
    env = {**machine.env, "SLOW": "1"}
    both = [
        subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("another set-up is running" in text for text in said) == 1
    assert machine.called() == ["uv venv", "uv sync", "ivy"]
