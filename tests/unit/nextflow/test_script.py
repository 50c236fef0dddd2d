from nvinx.nextflow import script

TEXT = """
// process NO { }
/* process NEITHER {
} */
include { A as B; C } from './modules/a'
include { D } from "../d.nf"

process  FIRST {
    label 'gpu' // a comment } with a bracket
    label('large')
    accelerator 1, type: 'k80'
    containerOptions {
        workflow.containerEngine == 'docker' ? '--gpus all' : '--nv'
    }
    ext vram_gb: 0.9,
        nvinx_cpu_fallback: true
    input:
    val x
    script:
    \"\"\"
    echo "}" label 'not_one'
    \"\"\"
}
process SECOND { cpus 2; beforeScript 'module load cuda'
    script: 'true' }
workflow { FIRST(); SECOND() }
"""


def test_each_process_is_found_with_its_line_and_its_directives():
    first, second = script.processes(TEXT)
    assert (first.name, first.line) == ("FIRST", 8)
    assert first.said("label") == ["'gpu'", "'large'"]
    assert first.said("accelerator") == ["1, type: 'k80'"]
    (options,) = first.said("containerOptions")
    assert options.startswith("{")
    assert "--gpus all" in options
    (ext,) = first.said("ext")
    assert ext.split() == ["vram_gb:", "0.9,", "nvinx_cpu_fallback:", "true"]
    assert first.said("input") == []
    assert (second.name, second.line) == ("SECOND", 24)
    assert second.said("beforeScript") == ["'module load cuda'"]
    assert "true" in second.body


def test_each_included_script_is_found_with_the_names_that_its_processes_get():
    first, second = script.includes(TEXT)
    assert (first.source, first.names) == ("./modules/a", (("A", "B"), ("C", "C")))
    assert (second.source, second.names) == ("../d.nf", (("D", "D"),))
