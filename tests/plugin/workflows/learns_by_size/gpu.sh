# gpu.sh INPUT OUTPUT: a process that NVML lists with what its input takes, long enough to be seen.
set -euo pipefail
used=$((100000000 + 10000 * $(stat -c %s "$1")))
echo "$NVINX_PLACEMENT $(stat -c %s "$1") ${XLA_PYTHON_CLIENT_PREALLOCATE:-}" >> tries.txt
flock "$NVINX_FAKE_NVML" bash -c 'echo "proc 0 $1 $2 C" >> "$NVINX_FAKE_NVML"' - $$ "$used"
sleep 1.5
flock "$NVINX_FAKE_NVML" sed -i "/^proc 0 $$ /d" "$NVINX_FAKE_NVML"
echo done > "$2"
