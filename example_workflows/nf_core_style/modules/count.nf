process COUNT {
    tag "$meta.id"
    label 'process_single'

    input:
    tuple val(meta), path(fasta)

    output:
    tuple val(meta), path("*.txt"), emit: counts

    script:
    "grep -v '^>' $fasta | tr -d '\\n' | wc -c > ${meta.id}.txt"

    stub:
    "touch ${meta.id}.txt"
}
