// As pipelines for basecalling are written: `label 'gpu'` and `accelerator 1` on the process that
// needs the card, a beforeScript of its own on another, and nothing of nvinx.
process BASECALL {
    label 'gpu'
    accelerator 1
    cpus 1
    memory '200 MB'
    input:
    path reads
    output:
    path "${reads.baseName}.calls.txt"
    script:
    """
    echo "${reads.baseName} on \${NVINX_PLACEMENT:-a card that nobody shares}" > ${reads.baseName}.calls.txt
    grep -v '^>' $reads | tr -d '\\n' | wc -c >> ${reads.baseName}.calls.txt
    """
}

process POLISH {
    label 'gpu'
    accelerator 1
    beforeScript 'export MODEL=sup'
    cpus 1
    memory '200 MB'
    input:
    path calls
    output:
    path 'polished.txt'
    script:
    """
    cat $calls > polished.txt
    echo "polished with \$MODEL on \${NVINX_PLACEMENT:-a card that nobody shares}" >> polished.txt
    """
}

process SUMMARY {
    label 'wf_common'
    publishDir params.out_dir, mode: 'copy'
    input:
    path calls
    path polished
    output:
    path 'summary.txt'
    script:
    "cat $calls $polished > summary.txt"
}

workflow {
    calls = BASECALL(Channel.fromPath(params.input))
    polished = POLISH(calls.collect(sort: true))
    SUMMARY(calls.collect(sort: true), polished)
}
