#!/usr/bin/env bash
# Make .venv and install the package in it: `scripts/install.sh demo|run|test|bench`; with `lowest` make .venv-lowest,
# with the lowest versions that pyproject.toml allows (some gigabytes: torch of that age comes with CUDA).
# Quick when nothing changed. What is missing of the system is installed where that is allowed,
# otherwise the exact line to type is printed.
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-run}
say() { printf '%s\n' "$*" >&2; }

# --- Python -------------------------------------------------------------------------------------
python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    say "Python 3.11 or newer is needed and none was found. Install one (on Ubuntu 22.04: sudo apt-get install -y"
    say "python3.11 python3.11-venv), or name one that is there: make $level PYTHON=/path/to/python3"
    exit 1
fi

# --- what the system must bring -----------------------------------------------------------------
missing=()
has() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }
want() { # want PACKAGE...: remember the Debian packages that are not installed
    local package
    for package in "$@"; do has "$package" || missing+=("$package"); done
}

if { [ ! -x .venv/bin/python ] || [ "$level" = lowest ]; } && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$python" = python3 ]; then missing+=(python3-venv); else missing+=("$(basename "$python")-venv"); fi
fi
if [ "$(uname -s)" = Linux ] && [ "$level" != demo ] && command -v dpkg-query >/dev/null; then
    want libegl1 libgl1 libgl1-mesa-dri libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 \
        libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-randr0 libxcb-shape0
    # Renamed with the wider time type of Debian 13 and Ubuntu 24.04, where the old name is only an alias.
    has libglib2.0-0t64 || want libglib2.0-0
    if [ "$level" != run ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then want xvfb xauth; fi
elif [[ $level != demo && $level != run ]] && [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] &&
    ! command -v xvfb-run >/dev/null; then
    say "The tests of the docks need a screen; install Xvfb (xvfb-run) with your system's package manager."
    exit 1
fi

if [ ${#missing[@]} -gt 0 ]; then
    as_root=
    if [ "$(id -u)" != 0 ]; then as_root="sudo"; fi
    line="${as_root:+$as_root }apt-get update && ${as_root:+$as_root }apt-get install -y --no-install-recommends ${missing[*]}"
    if command -v apt-get >/dev/null && { [ -z "$as_root" ] || sudo -n true 2>/dev/null; }; then
        say "Installing what is missing of the system: ${missing[*]}"
        ${as_root:+sudo -n} apt-get update -qq
        ${as_root:+sudo -n} env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    elif command -v apt-get >/dev/null; then
        say "Some system packages are missing, and installing them takes an administrator. Type this, then repeat:"
        say "    $line"
        exit 1
    else
        say "Missing, please install with your system's package manager: ${missing[*]}"
        exit 1
    fi
fi

# --- the environment ----------------------------------------------------------------------------
# Python's own list of directories decides whether an environment still belongs to its interpreter.
case $level in
demo) extras= ;;
run) extras=[all] ;;
test | lowest) extras=[test] ;;
bench) extras=[bench] ;;
*) say "Unknown level '$level': use demo, run, test, bench or lowest." && exit 1 ;;
esac
if [ "$level" = lowest ]; then # pip cannot choose the lowest versions, uv can
    "$python" -m venv --clear .venv-lowest
    .venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
    .venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e ".$extras"
    exit 0
fi
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
wanted=$(cat pyproject.toml constraints.txt | cksum)
installed() { [ -f ".venv/installed-$1" ] && [ "$(cat ".venv/installed-$1")" = "$wanted" ]; }
levels="demo run test bench"
for more in "$level" ${levels#*"$level"}; do # more serves for less
    if installed "$more"; then exit 0; fi
done

export PIP_DISABLE_PIP_VERSION_CHECK=1
# torch comes first and alone: solved together with the rest, pip may fetch builds that it then throws away.
say "Installing torch in .venv (once; this can take some minutes)"
.venv/bin/python -m pip install --quiet -c constraints.txt torch
say "Installing napari-microcnn$extras in .venv"
.venv/bin/python -m pip install --quiet -c constraints.txt -e ".$extras"
printf '%s\n' "$wanted" >".venv/installed-$level"
