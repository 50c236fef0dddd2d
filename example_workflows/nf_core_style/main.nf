// As pipelines on nf-core are written: its modules know `process_gpu` and `task.accelerator`, and
// nothing of nvinx.
include { EMBED } from './modules/embed'
include { COUNT } from './modules/count'

workflow {
    samples = Channel.fromPath(params.input).map { fasta -> [[id: fasta.baseName], fasta] }
    EMBED(samples)
    COUNT(samples)
}
