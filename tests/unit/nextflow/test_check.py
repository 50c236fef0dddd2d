"""What is told of one process, by what it says and what the configuration says of it."""

import pytest

from nvinx.nextflow import check, remedy, script, settings
from nvinx.nextflow.check import Severity

OURS = {"beforeScript": "{ task.ext.nvinx_guard }", "afterScript": "{ task.ext.nvinx_end }"}


def found(directives, scope=None, params=None, body="'true'", **how):
    """Findings of a process X with these directives, where the configuration has this scope."""
    text = f"process X {{\n{directives}\nscript:\n{body}\n}}"
    (process,) = script.processes(text)
    theirs, ours = scope or {}, {**(scope or {}), **OURS}
    made = [settings.of_process(process, "X", "main.nf, line 1", s) for s in (ours, theirs)]
    return list(check.of_process(*made, params or {}, **how))


SIGNS = [
    "accelerator 1",
    "accelerator 1, type: 'k80'",
    "accelerator params.gpus",
    "accelerator 2",
    "accelerator request: 1, limit: 2",
    "accelerator type: 'k80'",
    "label 'gpu'",
    "label 'GPU'",
    "label 'with_gpus'",
    "label 'process_gpu_high'",
    "label 'process_gpus'",
    "label 'process_gpu2'",
    "label 'gpu_compute'",
    "label 'gpuTask'",
    "label 'useGPU'",
    "containerOptions '--gpus all'",
    "containerOptions '--nvccli'",
    "containerOptions { workflow.profile ? '--nv' : '' }",
    "clusterOptions '--gres=gpu:1'",
    "clusterOptions '-l ngpus=1'",
    "ext vram_gb: 2",
    "ext use_gpu: true",
]
NONE = [
    "label 'process_low'",
    "label 'no_gpu'",
    "label 'noGPU'",
    "label 'process_gpu'",
    "label 'process_gpu'\next vram_gb: 2",
    "accelerator 0",
    "accelerator 0, type: 'k80'",
    "containerOptions '--user root --network none'",
    "clusterOptions '--nvme'",
    "label 'gpu'\next use_gpu: false",
    "label 'gpu'\nexecutor 'slurm'",
]
OWN = "beforeScript 'module load X'"


@pytest.mark.parametrize(
    "options",
    [
        "clusterOptions '--gres=gpu:2'",
        "clusterOptions '--gres=gpu:a100:2'",
        "clusterOptions '--gpus-per-node=2 --time=1:00'",
        "clusterOptions '-l select=1:ngpus=2'",
        "containerOptions '--gpus 2'",
    ],
)
def test_a_number_of_cards_in_options_is_told_of(options):
    told = found(options)
    (told,) = (each for each in told if "asks for 2 cards" in each.problem)
    assert told.severity is Severity.WARNING
    assert told.remedies[0].line == "accelerator = 2"
    assert not any("asks for 2" in each.problem for each in found(f"{options}\naccelerator 2"))


@pytest.mark.parametrize(
    "options",
    [
        "clusterOptions '--gres=gpu:1'",
        "clusterOptions '--partition=gpu --nodes 4'",
        "clusterOptions '--exclude=gpu01,gpu02'",
        "containerOptions '--gpus all --shm-size 2g'",
        "containerOptions '--gpus device=2'",
    ],
)
def test_what_is_no_number_of_cards_is_none(options):
    assert not any("cards" in each.problem for each in found(options))


@pytest.mark.parametrize("sign", SIGNS)
def test_a_process_with_a_sign_of_a_gpu_and_a_script_of_its_own_takes_no_lease(sign):
    assert found(sign) == []
    (told,) = found(f"{sign}\n{OWN}")
    assert told.severity is Severity.ERROR
    assert "takes no lease" in told.problem
    (line,) = told.remedies
    assert line.process == "X"
    assert line.line == "beforeScript = { 'module load X' + '\\n' + task.ext.nvinx_guard }"
    assert found(f"{sign}\n{OWN}", plugin=True) == []


@pytest.mark.parametrize("sign", NONE)
def test_a_process_without_a_sign_may_have_what_scripts_it_likes(sign):
    assert found(f"{sign}\n{OWN}") == []


@pytest.mark.parametrize("selector", ["withName:X", "withName:.*:X", "withName:Y|X", "withLabel:l"])
def test_what_a_selector_says_counts_like_the_body(selector):
    label = "label 'l'"
    assert found(label, {selector: {"accelerator": 1, "beforeScript": "module load X"}})
    assert found(f"{label}\n{OWN}", {selector: {"ext": {"vram_gb": 1.5}}})
    assert not found(f"{label}\naccelerator 1", {selector: {"accelerator": None, **OURS}})


@pytest.mark.parametrize("selector", ["withName:Y", "withName:X:Y", "withLabel:l", "withLabel:!k"])
def test_a_selector_of_others_does_not_count(selector):
    assert found("label 'k'", {selector: {"accelerator": 1, "beforeScript": "a"}}) == []


def test_a_switch_of_the_pipeline_that_only_the_script_asks_is_told_where_it_is_on():
    body = "\"run ${params.use_gpu ? '--use_gpu' : ''}\""
    (told,) = found("", params={"use_gpu": "true"}, body=body)
    assert (told.severity, told.remedies[0].line) == (
        Severity.ERROR,
        "ext.use_gpu = { params.use_gpu }",
    )
    assert found("ext use_gpu: true", params={"use_gpu": True}, body=body) == []
    assert found("label 'gpu'", params={"use_gpu": True}, body=body) == []
    (told,) = found("", params={"use_gpu": False}, body=body)
    assert told.severity is Severity.WARNING


@pytest.mark.parametrize("word", ["nvidia-smi -L", "fold --device cuda", "call --gpu"])
def test_a_script_that_speaks_of_the_gpu_is_a_warning(word):
    (told,) = found("", body=f"'{word}'")
    assert told.severity is Severity.WARNING
    assert "ext.use_gpu = true" in told.fix
    assert found("label 'process_gpu'", body=f"'{word}'") == []
    assert found("", body=f"'nvinx run -- {word}'") == []


def test_a_label_that_nvinx_does_not_know_is_told():
    assert "no label nvinx_gpu_sharde" in found("label 'nvinx_gpu_sharde'")[0].problem


def test_the_scripts_of_all_processes_and_the_names_for_containers_are_kept_beside_ours():
    theirs = {
        "process": {"beforeScript": "{ 'a' }"},
        "docker": {"envWhitelist": "FOO,NVINX_JOB"},
    }
    ours = {"process": OURS, "docker": {"envWhitelist": "NVINX_JOB"}}
    scripts, names = check.of_scopes(ours, theirs, gpu=True)
    (line,) = scripts.remedies
    assert line.line == "beforeScript = { { 'a' }.call() + '\\n' + task.ext.nvinx_guard }"
    assert names.severity is Severity.WARNING
    assert "docker.envWhitelist = 'FOO,NVINX_JOB'" in names.fix
    assert list(check.of_scopes(ours, theirs, gpu=True, plugin=True)) == []


@pytest.mark.parametrize("value", ["0", None, ""])
def test_devices_for_all_tasks_are_told_where_one_of_them_wants_a_card(value):
    config = {"env": {"CUDA_VISIBLE_DEVICES": value, "OTHER": "1"}}
    (told,) = check.of_scopes(config, config, gpu=True)
    text = remedy.block(told.remedies)
    assert text == "env.CUDA_VISIBLE_DEVICES = '${CUDA_VISIBLE_DEVICES-}'\n"
    assert list(check.of_scopes(config, config, gpu=False)) == []
    after = {"env": {"CUDA_VISIBLE_DEVICES": "${CUDA_VISIBLE_DEVICES-}"}}
    assert list(check.of_scopes(after, config, gpu=True)) == []


def test_the_lines_for_one_process_stand_in_one_block():
    lines = (remedy.Remedy("a = 1", "X"), remedy.Remedy("b = 2", "X"), remedy.Remedy("a = 1", "X"))
    assert remedy.block(lines).count("withName") == 1
    assert remedy.block(lines).count("a = 1") == 1
    assert remedy.block(()) == ""


def test_an_engine_that_gives_every_container_the_card_is_a_warning_with_who_shows_no_gpu():
    config = {"docker": {"enabled": True, "runOptions": "-u 1 --gpus all"}}
    (told,) = check.of_containers(config, ["COUNT", "SORT"])
    assert told.severity is Severity.WARNING
    assert "COUNT" in told.problem
    assert "ext.use_gpu = true" in told.fix
    assert list(check.of_containers(config, [])) == []
    config["docker"]["enabled"] = False
    assert list(check.of_containers(config, ["COUNT"])) == []
    plain = {"singularity": {"enabled": True, "runOptions": "--no-home"}}
    assert list(check.of_containers(plain, ["COUNT"])) == []


@pytest.mark.parametrize(
    "said",
    ["accelerator 3", "accelerator 3, type: 'a'", "accelerator request: 3", "accelerator limit: 3"],
)
def test_a_process_that_asks_for_more_cards_than_there_are_is_told(said):
    (told,) = found(said, cards=2)
    assert told.severity is Severity.ERROR
    assert "asks for 3 cards at once, and this bench has only 2 cards" in told.problem
    assert "accelerator request: 2, limit: 3" in told.fix
    for enough in ({"cards": 3}, {"cards": 0}):
        assert found(said, **enough) == []
    assert found(f"{said}\next nvinx_cpu_fallback: true", cards=2) == []


@pytest.mark.parametrize("said", ["accelerator params.n", "accelerator request: 1, limit: 3"])
def test_a_process_that_may_do_with_the_cards_there_are_is_not_told(said):
    assert found(said, cards=2) == []


def test_the_selector_of_a_process_says_how_many_cards_it_asks_for():
    scope = {"withName:X": {"accelerator": {"request": 3, "type": "a"}}}
    assert len(found("", scope, cards=2)) == 1
    assert found("accelerator 3", {"withName:X": {"accelerator": 2}}, cards=2) == []


@pytest.mark.parametrize("where", ["body", "selector", "scope"])
def test_a_setting_that_nvinx_does_not_know_is_told_wherever_it_stands(where):
    name = {"nvinx_cpu_fallbck": True}
    scope = {"selector": {"withName:X": {"ext": name}}, "scope": {"ext": name}}.get(where)
    (told,) = found("ext vram_gb: 2, nvinx_cpu_fallbck: true" if where == "body" else "", scope)
    assert told.severity is Severity.ERROR
    assert "ext.nvinx_cpu_fallbck: nvinx knows no such name" in told.problem
    assert told.fix == "write ext.nvinx_cpu_fallback"


@pytest.mark.parametrize(
    "said",
    [
        "ext args: 'x', prefix: 'vram'",
        "ext args: { a.max(b, big ? vram_big : 2) }",
        "ext nvinx_preemptible: 'requeue'\nexecutor 'slurm'",
        "ext vram_gb: 2, nvinx_gpu_share: '1/2', nvinx_model: 'm', nvinx_mode: 'shared'",
    ],
)
def test_settings_of_others_and_known_ones_are_not_told(said):
    assert found(said) == []


def test_a_script_that_asks_for_an_accelerator_which_its_label_does_not_set_is_told():
    body = "task.accelerator ? 'fold --gpu' : 'fold'"
    (told,) = found("label 'nvinx_gpu_shared'", body=body)
    assert told.severity is Severity.WARNING
    assert told.fix == "write accelerator 1 beside the label"
    assert found("label 'nvinx_gpu_shared'\naccelerator 1", body=body) == []
    assert found("label 'nvinx_cpu_only'", body=body) == []
