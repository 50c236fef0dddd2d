# gpu.sh NEED_MB OUTPUT: computes if it may have that much VRAM, spills or is on the CPU; else fails.
set -euo pipefail
echo half > "$2"
echo "$NVINX_PLACEMENT ${NVINX_VRAM_MB:-}" >> tries.txt
case $NVINX_PLACEMENT in
    gpu_ram_overflow | cpu_only) ;;
    *)
        if (( NVINX_VRAM_MB < $1 )); then
            echo "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate $1 MiB" >&2
            exit 1
        fi
        ;;
esac
echo "$NVINX_PLACEMENT" > "$2"
