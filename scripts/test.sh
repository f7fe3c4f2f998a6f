#!/usr/bin/env bash
# Runs the tests in an environment of their own: makes .venv with the tested versions when it is not there, then pytest.
# Arguments go to pytest, e.g. scripts/test.sh tests/revisions -k stale
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x .venv/bin/python ]; then
    "${PYTHON:-python3}" -m venv .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c scripts/constraints.txt -e ".[test]"

# One thread a process: small models train faster side by side, and results do not depend on the number of cores.
export OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
exec .venv/bin/python -m pytest --numprocesses auto --dist loadfile "$@"
