// The Nextflow twin of ../phage_proteins: the same scripts, the same needs, one label for each need.
params.phages = "$projectDir/../phage_proteins"
params.shuffles = 700

process FIND_GENES {
    input:
    tuple val(genome), path(fasta)
    path scripts
    output:
    path "${genome}.faa", emit: proteins
    tuple val(genome), path("${genome}.ffn"), emit: genes
    path "${genome}.tsv", emit: table
    script:
    """
    as_rule.py $scripts/find_genes.py input $fasta wildcards genome=$genome \\
        output proteins=${genome}.faa genes=${genome}.ffn table=${genome}.tsv
    """
}

process GC_SKEW {
    input:
    tuple val(genome), path(fasta)
    path scripts
    output:
    path "${genome}.skew.tsv"
    script:
    "python3 $scripts/gc_skew.py $fasta > ${genome}.skew.tsv"
}

process CODON_USAGE {
    input:
    tuple val(genome), path(genes)
    path scripts
    output:
    path "${genome}.codons.tsv"
    script:
    "python3 $scripts/codon_usage.py $genes > ${genome}.codons.tsv"
}

// Seconds of CPU each; they go on while others have the card.
process KMER_WINDOW {
    input:
    tuple val(genome), path(fasta), val(window), val(windows)
    path scripts
    output:
    path "${genome}.${window}.tsv"
    script:
    """
    python3 $scripts/kmer_window.py $fasta --window $window --windows $windows \\
        --shuffles ${params.shuffles} > ${genome}.${window}.tsv
    """
}

// Shares the card; the bench file says how much of it the model needs.
process EMBED_LISTED {
    label 'nvinx_gpu_shared'
    ext nvinx_model: { encoder }
    input:
    val encoder
    path proteins
    path scripts
    output:
    tuple val(encoder), path("${encoder}.npz"), emit: vectors
    path "${encoder}.json", emit: facts
    script:
    """
    as_rule.py $scripts/embed.py input $proteins wildcards encoder=$encoder \\
        output vectors=${encoder}.npz facts=${encoder}.json
    """
}

// Shares the card; the process says how much of it the model needs.
process EMBED_SIZED {
    label 'nvinx_gpu_shared'
    ext vram_gb: { vram_gb }
    input:
    tuple val(encoder), val(vram_gb)
    path proteins
    path scripts
    output:
    tuple val(encoder), path("${encoder}.npz"), emit: vectors
    path "${encoder}.json", emit: facts
    script:
    """
    as_rule.py $scripts/embed.py input $proteins wildcards encoder=$encoder \\
        output vectors=${encoder}.npz facts=${encoder}.json
    """
}

// Larger than a 4 GB card: what does not fit there stays in RAM and is streamed through it.
process EMBED_SPILLED {
    label 'nvinx_gpu_overflow'
    ext vram_gb: 6
    memory '4 GB'
    input:
    path proteins
    path scripts
    output:
    tuple val('attention_large'), path('attention_large.npz'), emit: vectors
    path 'attention_large.json', emit: facts
    script:
    """
    as_rule.py $scripts/embed.py input $proteins params encoder=attention_large \\
        resources vram_mb=6000 output vectors=attention_large.npz facts=attention_large.json
    """
}

// Larger than a 4 GB card, but content with the CPU.
process EMBED_FALLBACK {
    label 'nvinx_gpu_shared'
    ext vram_gb: 5, nvinx_cpu_fallback: true
    input:
    path proteins
    path scripts
    output:
    tuple val('attention_deep'), path('attention_deep.npz'), emit: vectors
    path 'attention_deep.json', emit: facts
    script:
    """
    as_rule.py $scripts/embed.py input $proteins params encoder=attention_deep \\
        output vectors=attention_deep.npz facts=attention_deep.json
    """
}

// Every protein against every other: wants the whole card.
process ALIGN_ALL {
    label 'nvinx_gpu_exclusive'
    input:
    path proteins
    path scripts
    output:
    path 'facts.json', emit: facts
    path 'scores.npz', emit: scores
    script:
    "python3 $scripts/align_all.py $proteins --scores scores.npz --facts facts.json"
}

process PROJECT {
    label 'nvinx_cpu_only'
    input:
    tuple val(encoder), path(vectors)
    path genes
    path scripts
    output:
    path "${encoder}.tsv"
    script:
    def tables = genes.collect { table -> "genes=$table" }.join(' ')
    "as_rule.py $scripts/project.py input vectors=$vectors $tables output ${encoder}.tsv"
}

process COMPARE_ENCODERS {
    label 'nvinx_cpu_only'
    publishDir 'results', mode: 'copy'
    input:
    val encoders
    path vectors
    path scripts
    output:
    path 'agreement.tsv'
    script:
    def names = encoders.collect { name -> "encoders=$name" }.join(' ')
    "as_rule.py $scripts/compare_encoders.py input $vectors params $names output agreement.tsv"
}

workflow {
    scripts = file("${params.phages}/scripts")
    genomes = Channel.fromPath("${params.phages}/data/*.fa").map { fasta -> [fasta.baseName, fasta] }
    windows = [lambda: 5, phix174: 1]

    FIND_GENES(genomes, scripts)
    GC_SKEW(genomes, scripts)
    CODON_USAGE(FIND_GENES.out.genes, scripts)
    KMER_WINDOW(
        genomes.flatMap { genome, fasta -> (0..<windows[genome]).collect { k -> [genome, fasta, k, windows[genome]] } },
        scripts
    )

    proteins = FIND_GENES.out.proteins.collect(sort: true)
    EMBED_LISTED(Channel.of('motif_conv', 'residue_conv'), proteins, scripts)
    EMBED_SIZED(Channel.of(['attention_narrow', 0.9], ['attention_wide', 1.2]), proteins, scripts)
    EMBED_SPILLED(proteins, scripts)
    EMBED_FALLBACK(proteins, scripts)
    ALIGN_ALL(proteins, scripts)

    vectors = EMBED_LISTED.out.vectors.mix(
        EMBED_SIZED.out.vectors, EMBED_SPILLED.out.vectors, EMBED_FALLBACK.out.vectors
    )
    PROJECT(vectors, FIND_GENES.out.table.collect(sort: true), scripts)
    sorted = vectors.toSortedList { one, other -> one[0] <=> other[0] }
    COMPARE_ENCODERS(
        sorted.map { all -> all.collect { pair -> pair[0] } },
        sorted.map { all -> all.collect { pair -> pair[1] } },
        scripts
    )
}
