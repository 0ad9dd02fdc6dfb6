# Sourced by bin/nightjar and bin/test: makes the environment (.venv) and the jars (jars/) where
# they are missing or out of date, and nothing where they are not.
#
# Needs ROOT, the checkout. All that it says goes to stderr. Works with bash 3.2.

MIN_PYTHON_MINOR=11
MIN_JAVA=17
MAX_JAVA=22 # later ones lack what Spark's Hadoop calls: "getSubject is not supported"
VENV="$ROOT/.venv"
JARS="$ROOT/jars"
STATE="$ROOT/.setup" # lock, logs and what is unfinished

say() { printf 'nightjar: %s\n' "$*" >&2; }

fail() {
    local line
    for line in "$@"; do say "$line"; done
    exit 2
}

# --- Java --------------------------------------------------------------------------------------

NEEDED_JAVA="Spark and Kafka need Java $MIN_JAVA to $MAX_JAVA"

java_is_fit() { (($1 >= MIN_JAVA && $1 <= MAX_JAVA)); }

how_to_get_java() {
    local release version
    for release in /usr/lib/jvm/*/release; do
        version="$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$release" 2>/dev/null)" || continue
        if [[ -n "$version" ]] && java_is_fit "$version" && [[ -x "${release%/release}/bin/java" ]]; then
            printf 'This machine has one: export JAVA_HOME=%s' "${release%/release}"
            return
        fi
    done
    printf '%s' "Install one (Debian, Ubuntu: 'apt install openjdk-17-jre-headless'; " \
        "Fedora: 'dnf install java-21-openjdk-headless'; macOS: 'brew install openjdk@21'), " \
        "or set JAVA_HOME to one."
}

java_binary() {
    if [[ -n "${JAVA_HOME:-}" ]]; then
        [[ -x "$JAVA_HOME/bin/java" ]] || fail \
            "JAVA_HOME is '$JAVA_HOME', but there is no bin/java in it." \
            "Set JAVA_HOME to a Java $MIN_JAVA to $MAX_JAVA, or unset it to use the java on PATH."
        printf '%s' "$JAVA_HOME/bin/java"
    else
        command -v java || fail "found no Java; $NEEDED_JAVA." "$(how_to_get_java)"
    fi
}

# Starting a JVM takes long enough to notice: a Java that was found good is remembered.
check_java() {
    local java known resolved
    java="$(java_binary)" || exit $?
    resolved="$(readlink -f "$java" 2>/dev/null || printf '%s' "$java")"
    known="$(cat "$STATE/java" 2>/dev/null || true)"
    JAVA="$java"
    [[ "$known" != "$resolved" ]] || return 0
    refuse_unfit_java "$java"
    { mkdir -p "$STATE" && printf '%s' "$resolved" >"$STATE/java"; } 2>/dev/null || true
}

refuse_unfit_java() {
    local java="$1" answer version
    answer="$("$java" -version 2>&1 || true)"
    if [[ ! "$answer" =~ version\ \"(1\.)?([0-9]+) ]]; then
        fail "'$java -version' does not tell a Java version, but says: ${answer:-nothing}" \
            "$(how_to_get_java)"
    fi
    version="${BASH_REMATCH[2]}"
    java_is_fit "$version" ||
        fail "found Java $version ($java); $NEEDED_JAVA." "$(how_to_get_java)"
    "$java" --add-modules jdk.incubator.vector -version >/dev/null 2>&1 || fail \
        "Java $version ($java) lacks the module jdk.incubator.vector, which Spark needs." \
        "$(how_to_get_java)"
}

# --- Python ------------------------------------------------------------------------------------

how_to_get_python() {
    printf '%s' "Install one (Debian, Ubuntu: 'apt install python3 python3-venv'; " \
        "Fedora: 'dnf install python3.12'; macOS: 'brew install python@3.12'; anywhere: " \
        "'uv python install 3.12'), or set NIGHTJAR_PYTHON to a Python >= 3.$MIN_PYTHON_MINOR."
}

# Prints "3.11.7" for a Python that runs; fails for a broken one.
python_version() {
    local answer
    answer="$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)" ||
        return 1
    [[ "$answer" =~ ([0-9]+\.[0-9]+(\.[0-9]+)?) ]] && printf '%s' "${BASH_REMATCH[1]}"
}

python_is_fit() {
    local major="${1%%.*}" rest="${1#*.}"
    ((major == 3 && ${rest%%.*} >= MIN_PYTHON_MINOR))
}

# Sets PYTHON to the first fit one: NIGHTJAR_PYTHON alone where set, else the usual names on PATH.
find_python() {
    local names=(python3 python3.14 python3.13 python3.12 python3.11 python)
    local name path version found=""
    [[ -z "${NIGHTJAR_PYTHON:-}" ]] || names=("$NIGHTJAR_PYTHON")
    for name in "${names[@]}"; do
        path="$(command -v "$name" 2>/dev/null)" || continue
        version="$(python_version "$path")" || continue
        if python_is_fit "$version"; then
            PYTHON="$path"
            return
        fi
        found="${found:+$found, }Python $version ($path)"
    done
    [[ -n "$found" ]] || found="no Python${NIGHTJAR_PYTHON:+ at NIGHTJAR_PYTHON=$NIGHTJAR_PYTHON}"
    fail "found $found; Nightjar needs Python >= 3.$MIN_PYTHON_MINOR." "$(how_to_get_python)"
}

# --- One set-up at a time ----------------------------------------------------------------------

# The lock lives on file descriptor 9 and dies with this shell, however that ends.
take_lock() {
    mkdir -p "$STATE" || fail "cannot write to '$ROOT'; set-up needs a checkout that it can write to."
    exec 9>>"$STATE/lock"
    lock_now || {
        say "another set-up is running in this checkout; waiting for it"
        lock_waiting
    }
}

lock_now() { "$PYTHON" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null; }
lock_waiting() { "$PYTHON" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'; }
release_lock() { exec 9>&-; }

# --- Environment: .venv from uv.lock -----------------------------------------------------------

# The lock file that it was made from, and where: an environment does not survive a move.
environment_key() { printf '%s in %s' "$(cksum <"$ROOT/uv.lock")" "$ROOT"; }

# $1: main, or dev (with what the tests need). An environment with dev serves main as well.
environment_is_ready() {
    local groups key
    [[ -x "$VENV/bin/python" ]] || return 1
    { IFS= read -r groups && IFS= read -r key; } 2>/dev/null <"$VENV/.nightjar" || return 1
    [[ "$key" == "$(environment_key)" ]] && [[ "$groups" == dev || "$groups" == "$1" ]]
}

# An environment cannot be made elsewhere and moved; so a file tells while one is being made.
UNFINISHED="$STATE/environment-unfinished"

environment_works() { [[ ! -e "$UNFINISHED" ]] && "$VENV/bin/python" -c '' 2>/dev/null; }

make_environment() {
    local groups="$1" uv
    if [[ -e "$UNFINISHED" ]]; then
        say "the last set-up of the environment did not finish: starting it afresh"
        rm -rf "$VENV"
    elif [[ -e "$VENV" ]] && ! environment_works; then
        say "the environment in .venv does not work (was its Python removed?): making it anew"
        rm -rf "$VENV"
    elif [[ "$(head -n 1 "$VENV/.nightjar" 2>/dev/null)" == dev ]]; then
        groups=dev
    fi
    : >"$UNFINISHED"
    rm -f "$VENV/.nightjar"
    say "making the Python environment in .venv (the first time it fetches about 650 MB)"
    uv="$(command -v uv)" || uv="$VENV/bin/uv"
    [[ -x "$VENV/bin/python" ]] || create_environment "$uv"
    [[ -x "$uv" ]] || fetch_uv
    install_locked "$uv" "$groups"
    point_spark_home_here
    printf '%s\n%s\n' "$groups" "$(environment_key)" >"$VENV/.nightjar"
    rm -f "$UNFINISHED"
}

create_environment() {
    if [[ -x "$1" ]]; then
        "$1" venv --quiet --python "$PYTHON" "$VENV" >&2 && return
    elif "$PYTHON" -m venv "$VENV" >&2; then
        return
    fi
    fail "$PYTHON could not make an environment in .venv (see above)." \
        "On Debian and Ubuntu it needs 'apt install python3-venv'; with uv on PATH it is not needed."
}

fetch_uv() {
    say "fetching uv, which reads the lock file"
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$VENV/bin/python" -m ensurepip >/dev/null
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check uv >&2 ||
        fail "could not fetch uv (see above)." "${NO_NETWORK[@]}"
}

install_locked() {
    local groups=(--no-dev --extra broker)
    [[ "$2" == dev ]] && groups=(--all-extras)
    (
        unset VIRTUAL_ENV
        cd "$ROOT" && UV_PROJECT_ENVIRONMENT="$VENV" "$1" sync --frozen --inexact \
            --python "$VENV/bin/python" "${groups[@]}" >&2
    ) || fail "could not install the Python packages of uv.lock (see above)." "${NO_NETWORK[@]}"
}

# pip's spark-submit looks for Spark through the python3 on PATH, which need not be ours.
# (Replaced, not edited: uv links the original to its cache.)
point_spark_home_here() {
    cat >"$STATE/find-spark-home" <<'SCRIPT'
# Written by Nightjar's set-up: this environment's Spark, and its Python for the driver.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export SPARK_HOME="${SPARK_HOME:-$(echo "$here"/../lib/python3*/site-packages/pyspark)}"
export PYSPARK_DRIVER_PYTHON="${PYSPARK_DRIVER_PYTHON:-$here/python}"
SCRIPT
    mv "$STATE/find-spark-home" "$VENV/bin/find-spark-home"
}

# --- Jars: jars/spark and jars/kafka from conf/ivy.xml -----------------------------------------

# What was asked for, and what lies there with its size: a jar that was lost or cut is noticed.
jars_key() {
    cksum <"$ROOT/conf/ivy.xml"
    (cd "$JARS" && wc -c spark/*.jar kafka/*.jar)
}

jars_are_ready() {
    [[ -s "$JARS/.complete" ]] && [[ "$(cat "$JARS/.complete")" == "$(jars_key 2>/dev/null)" ]]
}

# Downloads into a folder of its own; what is in jars/ is always a finished set.
fetch_jars() {
    local new="$STATE/jars" folder
    say "fetching the jars of conf/ivy.xml into jars/ (the first time 53 MB, a minute or two)"
    rm -rf "$new" "$JARS/.complete"
    run_ivy "$new" 2>&1 | tee "$STATE/ivy.log" | show_downloads ||
        fail "could not fetch the jars; Ivy says:" "$(ivy_errors)" \
            "All of its words are in $STATE/ivy.log." "${NO_NETWORK[@]}"
    mkdir -p "$JARS"
    for folder in spark kafka; do
        rm -rf "${JARS:?}/$folder"
        mv "$new/$folder" "$JARS/$folder"
    done
    rm -rf "$new"
    jars_key >"$STATE/jars.complete"
    mv "$STATE/jars.complete" "$JARS/.complete"
}

run_ivy() {
    local ivy
    ivy="$(echo "$VENV"/lib/python3*/site-packages/pyspark/jars/ivy-*.jar)"
    "$JAVA" -jar "$ivy" -settings "$ROOT/conf/ivysettings.xml" -ivy "$ROOT/conf/ivy.xml" \
        -retrieve "$1/[conf]/[artifact]-[revision].[ext]" </dev/null
}

show_downloads() {
    local line looked_up=0
    while IFS= read -r line; do
        case "$line" in
        *$'\t'found\ *)
            looked_up=$((looked_up + 1))
            ((looked_up % 10)) || printf '  looked up %d libraries\n' "$looked_up" >&2
            ;;
        downloading\ *.jar\ *)
            line="${line%.jar *}"
            printf '  %s.jar\n' "${line##*/}" >&2
            ;;
        esac
    done
}

ivy_errors() {
    grep -m 1 -o 'Host .* not found' "$STATE/ivy.log" ||
        grep -E ': not found|FAILED|xception' "$STATE/ivy.log" | sed 's/^[[:space:]:]*//' |
        sort -u | head -n 5
}

# --- All of it ---------------------------------------------------------------------------------

NO_NETWORK=(
    "If this machine has no network: connect it and run the same command again; what has arrived is kept."
    "Behind a proxy: set HTTPS_PROXY for Python and JAVA_TOOL_OPTIONS='-Dhttps.proxyHost=HOST -Dhttps.proxyPort=PORT' for Java."
    "Or copy .venv and jars/ from a checkout at the same path on a machine like this one."
)

# $1: main or dev.
set_up() {
    check_java
    environment_is_ready "$1" && jars_are_ready && return
    if environment_works; then PYTHON="$VENV/bin/python"; else find_python; fi
    take_lock
    environment_is_ready "$1" || make_environment "$1"
    jars_are_ready || fetch_jars
    say "set-up complete"
    release_lock
}

# What every command inherits: our own Spark, whatever Spark the machine has besides.
export_environment() {
    unset SPARK_HOME
    export SPARK_CONF_DIR="${SPARK_CONF_DIR:-$ROOT/conf}"
    export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$VENV/bin/python}"
    export PYSPARK_DRIVER_PYTHON="$VENV/bin/python"
}
