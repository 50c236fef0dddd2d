process EMBED {
    tag "$meta.id"
    label 'process_gpu'

    input:
    tuple val(meta), path(fasta)

    output:
    tuple val(meta), path("*.txt"), emit: vectors

    script:
    def device = task.accelerator ? 'cuda' : 'cpu'
    """
    echo "${meta.id} on $device: \${NVINX_PLACEMENT:-no nvinx} \${NVINX_VRAM_MB:-}" > ${meta.id}.txt
    grep -c '^>' $fasta >> ${meta.id}.txt
    """

    stub:
    "touch ${meta.id}.txt"
}
