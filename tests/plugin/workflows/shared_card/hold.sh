# hold.sh LOG NAME VRAM_MB: notes in LOG that NAME begins, works for a moment, notes that it ends.
set -euo pipefail
note() {
    flock "$1" bash -c 'echo "$2 $3 $4 $(date +%s.%N)" >> "$1"' - "$1" "$4" "$2" "$3"
}
note "$@" start
sleep 0.4
note "$@" end
