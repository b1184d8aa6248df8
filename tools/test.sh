#!/usr/bin/env bash
# Run the tests: `tools/test.sh` all quick ones, `tools/test.sh -m slow` the long ones, or any pytest arguments.
set -euo pipefail
cd "$(dirname "$0")/.."
# Asked from elsewhere: in the checkout the package imports without being installed.
if ! (cd / && python -c 'import speecht5_cli, pytest') 2>/dev/null; then
  tools/setup.sh
  PATH=$PWD/tools/venv/bin:$PATH
fi
exec python -m pytest "$@"
