#!/usr/bin/env bash
# One door for all checks: format, lint, types, tests.
set -euo pipefail
cd "$(dirname "$0")/.."
ruff format --check .
ruff check .
mypy
tools/test.sh "$@"
