// Each task fails in a way of its own, and the pipeline goes on.
process SIZE {
    label 'nvinx_gpu_shared'
    ext vram_gb: 'lots'
    errorStrategy 'ignore'
    script: 'touch $TRUTH/wrong'
}
process MODE {
    label 'process_gpu'
    ext vram_gb: 1, nvinx_mode: 'sharde'
    errorStrategy 'ignore'
    script: 'touch $TRUTH/wrong'
}
process LABEL {
    label 'nvinx_gpu_share'
    errorStrategy 'ignore'
    script: 'touch $TRUTH/wrong'
}
process LARGE {
    label 'nvinx_gpu_shared'
    ext vram_gb: 9
    errorStrategy 'ignore'
    script: 'touch $TRUTH/wrong'
}
process BODY {
    label 'nvinx_gpu_exclusive'
    tag "it's a tag"
    errorStrategy 'ignore'
    script: 'exit 3'
}
workflow {
    SIZE()
    MODE()
    LABEL()
    LARGE()
    BODY()
}
