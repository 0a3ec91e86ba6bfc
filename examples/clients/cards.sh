#!/usr/bin/env bash
# Sends a hook call to the service of its hook and prints the cards: cards.sh REQUEST.json [BASE]
set -euo pipefail
request=${1:?usage: cards.sh REQUEST.json [BASE]}
base=${2:-http://127.0.0.1:8080}
hook=$(grep -oE '"hook": *"[^"]+"' "$request" | head -1 | cut -d'"' -f4)
if answer=$(curl --silent --show-error --fail-with-body "$base/cds-services/low-back-pain-$hook" \
  --header 'Content-Type: application/json' --data "@$request"); then
  grep -oE '"(summary|indicator)":"[^"]*"' <<<"$answer" || echo "no cards"
else
  grep -oE '"diagnostics":"[^"]*"' <<<"$answer" >&2
  exit 1
fi
