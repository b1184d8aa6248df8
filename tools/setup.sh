#!/usr/bin/env bash
# Make tools/venv: a Python environment with the toolkit and all that the mini recipe and the tests need.
# Nothing outside of tools/venv is touched. PYTHON=python3.12 tools/setup.sh chooses another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=tools/venv
stamp=$venv/.installed
if [ -f "$stamp" ] && [ "$stamp" -nt pyproject.toml ]; then exit 0; fi

fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; }
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python}; do
  if fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "setup: no Python 3.10 to 3.13 with its venv module found (on Debian: apt install python3-venv)" >&2
  exit 1
fi

echo "setup: installing the toolkit into $venv with $($python --version)"
echo "setup: about 5 GB with PyTorch; 2 to 10 minutes, most of it download. This happens once."
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[mini,test]'
touch "$stamp"
echo "setup: done; 'source $venv/bin/activate' gives the speecht5 command"
