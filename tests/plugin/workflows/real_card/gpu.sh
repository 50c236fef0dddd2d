# gpu.sh MB SECONDS: a process that NVML lists with that much memory for so long.
set -euo pipefail
touch out/began
flock "$NVINX_FAKE_NVML" bash -c 'echo "proc 0 $1 $2000000 C" >> "$NVINX_FAKE_NVML"' - $$ "$1"
sleep "$2"
flock "$NVINX_FAKE_NVML" sed -i "/^proc 0 $$ /d" "$NVINX_FAKE_NVML"
