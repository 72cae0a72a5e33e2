#!/usr/bin/env bash
# Starts the proxy; arguments go to openai-proxy, for example: ./run.sh --help
set -euo pipefail
cd "$(dirname "$0")"

key_is_set() {
    [[ -n "${OPENAI_API_KEY:-}${OPENAI_API_KEY_FILE:-}" ]] ||
        grep -qsE '^[[:space:]]*(export[[:space:]]+)?OPENAI_API_KEY(_FILE)?=.' .env
}

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo 'run.sh: needs uv, or Python 3.11 or newer; neither was found.' >&2
    return 1
}

if ! key_is_set; then
    cat >&2 <<'NOTE'
run.sh: OPENAI_API_KEY is not set, so every caller must bring a key of its own.
        To lend yours to callers on this machine, set it and start again:
            export OPENAI_API_KEY=sk-...
        or write the line OPENAI_API_KEY=sk-... to a file named .env here.
NOTE
fi

if command -v uv >/dev/null; then
    exec uv run openai-proxy "$@"
fi
if [[ ! .venv/bin/openai-proxy -nt pyproject.toml ]]; then
    python="$(find_python)"
    echo 'run.sh: installing into .venv; this happens once.' >&2
    "$python" -m venv .venv
    .venv/bin/pip install --quiet --editable .
fi
exec .venv/bin/openai-proxy "$@"
