#!/usr/bin/env bash
# A new user's path, followed literally: the README's first line, then every block of docs/runbook.md
# that is marked `sh newcomer STEP`, in order, in one shell. Each step has a check of its own below;
# a block without a check, and a check without a block, are failures.
#
#   tests/e2e/newcomer.sh                          in a fresh folder with a fresh virtual environment
#   NEWCOMER_IN=container tests/e2e/newcomer.sh    in a fresh container (docker, else buildah)
#   NEWCOMER_IN=here tests/e2e/newcomer.sh         with the virtual environment that is here already
#
# NEWCOMER_LIMIT_S bounds all of it; NEWCOMER_IMAGE is the container's image.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mode=${NEWCOMER_IN:-venv}
image=${NEWCOMER_IMAGE:-docker.io/library/python:3.11-slim-bookworm}
if [ -z "${NEWCOMER_TIMED:-}" ]; then
  export NEWCOMER_TIMED=1
  exec timeout --kill-after=15 "${NEWCOMER_LIMIT_S:-900}" bash "$0"
fi

scratch=$(mktemp -d)
step=begin out=/dev/null daemon="" container=""
fail() { printf 'newcomer: step %s: %s\n' "$step" "$*" >&2; exit 1; }
leave() {
  local code=$?
  if [ "$code" -ne 0 ] && [ "$mode" != container ]; then
    printf '\nnewcomer: step %s: exit code %s\n' "$step" "$code" >&2
    tail -25 "$out" >&2
  fi
  # Only what this script began, and only if it is still there.
  if [ -n "$daemon" ]; then kill -KILL "$daemon" 2> /dev/null || true; fi
  if [ -n "$container" ]; then buildah rm "$container" > /dev/null || true; fi
  rm -rf "$scratch"
}
trap leave EXIT

# What a newcomer gets: the files that git knows, and nothing else that lies about here.
hand_over() { git -C "$root" archive --format=tar HEAD; }

if [ "$mode" = container ]; then
  if docker info > /dev/null 2>&1; then
    hand_over | docker run --rm --interactive --workdir /arbit "$image" \
      bash -c 'tar -x && NEWCOMER_IN=handed NEWCOMER_TIMED=1 exec bash tests/e2e/newcomer.sh'
  elif command -v buildah > /dev/null; then
    container=$(buildah from --pull-never "$image")
    hand_over > "$scratch/arbit.tar"
    buildah add --quiet "$container" "$scratch/arbit.tar" /arbit > /dev/null
    buildah run --workingdir /arbit --env NEWCOMER_IN=handed --env NEWCOMER_TIMED=1 "$container" \
      -- bash tests/e2e/newcomer.sh
  else
    fail "NEWCOMER_IN=container: expected docker or buildah"
  fi
  exit
fi

# A home of its own: nothing that this user has set or kept plays a part.
for name in $(compgen -e ARBIT || true); do unset "$name"; done
export HOME=$scratch/home
mkdir "$HOME" "$scratch/arbit"
case $mode in
  venv) hand_over | tar -x -C "$scratch/arbit"; cd "$scratch/arbit" ;;
  handed) cd "$root" ;;
  here)
    [ -x "$root/.venv/bin/arbit" ] || fail "NEWCOMER_IN=here: expected arbit in $root/.venv"
    hand_over | tar -x -C "$scratch/arbit"
    ln -s "$root/.venv" "$scratch/arbit/.venv"
    cd "$scratch/arbit"
    ;;
  *) fail "NEWCOMER_IN=$mode: expected venv, container or here" ;;
esac
folder=$PWD

# --- what is looked at after each step, whose output is in $out -------------------------------------

said() { grep -qE -- "$1" "$out" || fail "expected it to say /$1/"; }
never() { if grep -qE -- "$1" "$out"; then fail "it says /$1/"; fi; }
until_it_says() {               # pattern: what a daemon that answers says of itself
  local pattern=$1
  for _ in $(seq 120); do
    if arbit status sandbox > "$out" 2>&1 && grep -qE -- "$pattern" "$out"; then return; fi
    if [ -n "$daemon" ]; then kill -0 "$daemon" || fail "the daemon ended: $(tail -3 live.txt)"; fi
    sleep 0.5
  done
  fail "expected \`arbit status\` to say /$pattern/"
}
kept() { python3 -c '
import sqlite3, sys
print(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2]).fetchone()[0])
' "$1" "$2"; }

before_upgrade() {              # a folder that the first version left, which nobody opened since
  mkdir -p "$scratch/old"
  cd "$scratch/old"
  mkdir -m 700 var
  python3 -c '
import pathlib, sqlite3, sys
with sqlite3.connect("var/arbit.db") as there:
    there.executescript(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
' "$folder/tests/data/schema/0001.sql"
  cycles=$(kept var/arbit.db 'select count(*) from cycles')
}

after_readme() { said 'Verdict'; }
after_start() { said 'keys:check'; [ "$(stat -c %a .env)" = 600 ] || fail ".env: expected mode 600"; }
after_doctor() { said 'PASS +self-test:'; }
after_keys() { said 'would be taken'; said 'Verdict'; }
after_dry() { said "time is up"; [ -s var/arbit.db ] || fail "expected a journal in var"; }
after_rehearse() { said '^0 findings in [1-9][0-9]* cycles, [1-9][0-9]* fills'; }
after_trade() { until_it_says 'sandbox'; }
after_watch() { said 'sandbox'; }
after_pause() { said 'pause'; kill -0 "$daemon" || fail "the daemon is gone"; }
after_kill() { until_it_says 'kill'; }
after_unkill() { kill -0 "$daemon" || fail "the daemon is gone"; }
after_recover() { daemon=""; said '^0 findings in'; }
after_upgrade() {
  said '0001 \(this version: '
  said ': 0001 -> '
  [ "$(kept var/arbit.db 'select count(*) from cycles')" -eq "$cycles" ] || fail "cycles are lost"
  # The dump has one order that nobody resolved, and that is all that may be found.
  if arbit db check > "$out" 2>&1; then fail "db check overlooks an unresolved order"; fi
  said '^WRONG order o4: unknown: not resolved'
  said '^1 findings in 3 cycles, 4 fills'
  compgen -G "var/arbit.db.backup-*" > /dev/null || fail "expected a backup in var"
}

# --- the path --------------------------------------------------------------------------------------

walk() {                        # step, text of the block: run in this very shell, as one terminal is
  step=$1 out=$scratch/out.$1
  declare -F "after_$step" > /dev/null || fail "this block has no check in $0"
  printf '\n--- %s (%s s)\n%s\n' "$step" "$SECONDS" "$2"
  printf '%s\n' "$2" > "$scratch/block"
  if declare -F "before_$step" > /dev/null; then "before_$step"; fi
  . "$scratch/block" > "$out" 2>&1
  sed 's/^/    | /' "$out" | tail -8
  "after_$step"
  unset -f "after_$step"
}

if [ "$mode" != here ]; then
  walk readme "$(grep -E '^python3 -m venv .*arbit fitness' README.md)"
fi
unset -f after_readme
steps=$(grep -oP '^```sh newcomer \K\w+$' docs/runbook.md)
for name in $steps; do
  walk "$name" "$(sed -n "/^\`\`\`sh newcomer $name\$/,/^\`\`\`\$/{/^\`\`\`/d;p}" docs/runbook.md)"
done
step=end
left=$(declare -F | grep -oP 'after_\K\w+' | tr '\n' ' ' || true)
[ -z "$left" ] || fail "no block of docs/runbook.md for: $left"
printf '\nnewcomer: every step works as written (%s s)\n' "$SECONDS"
