#!/usr/bin/env bash
# Prints the path of a Python that has scripts/requirements*.txt; makes its environment when it is missing.
# It is kept by the hash of those files, so that it is made once on a machine and again when one of them changes.
set -euo pipefail
cd "$(dirname "$0")"

readonly PIP_SECONDS=300

hash=$(cat requirements.txt requirements-pipecat.txt | sha256sum | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/offhook/python-$hash
if [[ ! -e $folder/ready ]]; then
    python3 -m venv --clear "$folder"
    timeout "$PIP_SECONDS" "$folder/bin/pip" install --quiet --disable-pip-version-check --use-pep517 \
        -r requirements.txt
    timeout "$PIP_SECONDS" "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements-pipecat.txt
    touch "$folder/ready"
fi
echo "$folder/bin/python"
