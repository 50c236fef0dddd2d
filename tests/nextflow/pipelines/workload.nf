// Four small GPU tasks, one that wants the card alone, six CPU tasks. GPU notes who was on the card.
// gate: a file without which no GPU task comes to its end.
params.gate = ''
process SMALL {
    label 'process_gpu'
    ext vram_gb: 0.9
    input: val k
    output: val k
    script:
    """
    \$GPU \$TRUTH small$k 900 ${params.gpu_s} plain ${params.gate}
    """
    stub:
    """
    touch \$TRUTH/stub$k
    """
}
process ALONE {
    label 'nvinx_gpu_exclusive'
    script:
    """
    \$GPU \$TRUTH alone 4000 ${params.gpu_s} plain ${params.gate}
    """
    stub:
    """
    touch \$TRUTH/stubalone
    """
}
process CPU {
    label 'nvinx_cpu_only'
    input: val k
    script:
    """
    [[ -z \$CUDA_VISIBLE_DEVICES && \$NVINX_PLACEMENT == cpu_only ]]
    echo cpu$k >> \$TRUTH/ran
    """
    stub:
    'true'
}
workflow {
    SMALL(Channel.of(1, 2, 3, 4))
    ALONE()
    CPU(Channel.of(1, 2, 3, 4, 5, 6))
}
