#!/usr/bin/env bash
# Run a command on the screen there is, or on a virtual one: `scripts/with_screen.sh COMMAND ...`.
set -euo pipefail
if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec xvfb-run -a -s "-screen 0 1366x768x24" "$@"
fi
exec "$@"
