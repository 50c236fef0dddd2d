process INSIDE {
    label 'nvinx_gpu_shared'
    ext vram_gb: 0.9
    container 'some/image'
    script:
    '''
    env > seen
    '''
}
workflow { INSIDE() }
