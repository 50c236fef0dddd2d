// The contended card's workload: one exclusive task, six CPU tasks, four small GPU tasks.
process LONG {
    label 'nvinx_gpu_exclusive'
    script:
    "${params.python} ${params.card} long 3500 20"
}

process CPU {
    input:
    val k
    script:
    "${params.python} ${params.card} cpu$k 0 5"
}

process SMALL {
    label 'nvinx_gpu_shared'
    ext vram_gb: 0.9
    input:
    val k
    script:
    "${params.python} ${params.card} small$k 900 3"
}

workflow {
    LONG()
    CPU(Channel.of(0, 1, 2, 3, 4, 5))
    SMALL(Channel.of(0, 1, 2, 3))
}
