// Runs out of GPU memory until it has the card alone.
process HUNGRY {
    label 'nvinx_gpu_shared'
    ext vram_gb: 0.9
    script:
    '''
    echo "$NVINX_PLACEMENT:$NVINX_VRAM_MB" >> $TRUTH/ran
    [[ $NVINX_PLACEMENT == gpu_exclusive ]] || { echo "CUDA out of memory. Tried to allocate" >&2; exit 1; }
    '''
}
workflow { HUNGRY() }
