#!/usr/bin/env bash
# Make .venv in this project and install what is missing: tools/setup.sh [dev]
#
# `dev` adds what the tests need. A second run finds the stamp of the first and ends at once; the stamp changes with
# pyproject.toml, constraints.txt, this file, the Python and the folder (an editable installation knows its folder).
# PYTHON=... chooses the interpreter that makes .venv. tools/demo and tools/test call this.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
kind=${1:-run}
python=.venv/bin/python

say() { printf 'voicegan: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

find_python() { # versions are tried by running them: a name on the PATH may lead nowhere
    local name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.10 python; do
        if new_enough "$name"; then printf '%s' "$name"; return; fi
    done
    return 1
}

make_venv() {
    local base
    base=$(find_python) || fail "Python 3.10 or newer was not found. Install it (python.org), or name it: PYTHON=/path/to/python3 $0"
    say "making .venv with $("$base" --version 2>&1)"
    "$base" -m venv .venv >.venv/setup.log 2>&1 || fail "'$base -m venv' failed: $(tail -n 1 .venv/setup.log). On Debian and Ubuntu: apt install python3-venv"
}

stamp_of() {
    "$python" - "$root" <<'PY'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
parts = [sys.version, str(root)] + [(root / name).read_text() for name in ("pyproject.toml", "constraints.txt", "tools/setup.sh")]
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PY
}

stamped() { [ "$(cat ".venv/stamp-$1" 2>/dev/null)" = "$stamp" ]; }

install() { # what to install as pip's arguments; names appear as they come, the rest goes to the log
    local status=0
    "$python" -m pip install --disable-pip-version-check --progress-bar off --no-input "$@" 2>&1 | tee -a .venv/setup.log |
        awk '/^ *Collecting / { sub(/[^A-Za-z0-9_.-].*/, "", $2); print "voicegan:   " $2; fflush() }' >&2 || status=$?
    return "$status"
}

mkdir -p .venv
if command -v flock >/dev/null; then # two tools started together: the second waits, then finds the stamp
    exec 9>.venv/lock
    flock -n 9 || { say "another set-up is at work here; waiting for it"; flock 9; }
fi
[ -x "$python" ] || make_venv
new_enough "$python" || fail ".venv holds a Python that is too old or does not start. Remove the folder .venv and run this again."
stamp=$(stamp_of)
if stamped dev || { [ "$kind" = run ] && stamped run; }; then exit 0; fi

: >.venv/setup.log
say "installing what is missing (the first time takes some minutes; details in .venv/setup.log)"
if [ "$kind" = dev ]; then what='.[dev,tensorboard]'; else what='.'; fi
if ! install -c constraints.txt -e "$what"; then
    grep -E '[Ee]rror|ERROR' .venv/setup.log | tail -n 1 | cut -c1-300 >&2 || true
    if grep -qE 'NewConnectionError|ConnectTimeout|NameResolution|Failed to establish|Temporary failure in name' .venv/setup.log; then
        fail "the packages could not be fetched: there is no connection to the package index. Connect, and run this again."
    fi
    fail "the packages could not be installed; see $root/.venv/setup.log, mend it, and run this again."
fi
# By itself and without its dependencies: a torchaudio that wants another torch must not bring it in.
if ! install -c constraints.txt --no-deps torchaudio; then
    say "torchaudio could not be installed; everything works without it"
fi
"$python" tools/mend_torchaudio.py --quiet || say "torchaudio cannot be used here; everything works without it"
printf '%s\n' "$stamp" >".venv/stamp-$kind"
say "ready"
