"""Texts of real programs get the right verdict: what ran out, or that nothing did."""

import pytest
from oom_texts import TEXTS
from oom_texts_by_sentence import HELD_OUT, SEEN

from nvinx.jobs.oom_patterns import PATTERNS, Memory
from nvinx.jobs.oom_sentences import SENTENCES
from nvinx.jobs.out_of_memory import evidence


def verdict(said):
    found = evidence([said.text], said.status)
    return None if found is None else found.memory.value


VRAM = {"device", "cap", "handle"}
LOOKED_AT = [*TEXTS, *SEEN]


def measured(texts):
    """Precision and recall, of VRAM, which is what a rung of the ladder is taken for."""
    asked = [(said.memory in VRAM, verdict(said) in VRAM) for said in texts]
    hits = sum(is_so and told for is_so, told in asked)
    return hits / sum(told for _, told in asked), hits / sum(is_so for is_so, _ in asked)


@pytest.mark.parametrize(
    "said", LOOKED_AT, ids=[f"{n} {said.by}" for n, said in enumerate(LOOKED_AT)]
)
def test_each_text_is_taken_for_what_it_is(said):
    assert verdict(said) == said.memory


def test_of_the_texts_all_are_found_and_none_is_a_false_alarm():
    assert measured(LOOKED_AT) == (1.0, 1.0)


def test_most_texts_of_programs_that_nobody_knows_are_found_too(record_property):
    precision, recall = measured(HELD_OUT)
    record_property("precision", precision)
    record_property("recall", recall)
    assert precision == 1.0
    assert recall >= 0.9


@pytest.mark.parametrize(
    "said",
    [
        "  --fast  use it unless there is not enough GPU memory\nerror: no such option --fsat",
        "the batch may exceed GPU memory\nerror: cannot read in.fasta",
        "exceeds GPU memory, offloading to CPU\nbatch 1\nbatch 2\nerror: cannot read in.fasta",
        "GPU memory: full-alignment model loaded\nerror: cannot read in.fasta",
    ],
)
def test_what_a_manual_or_a_forecast_says_is_no_lack_of_memory(said):
    assert evidence([said]) is None


@pytest.mark.parametrize(
    "advice", ["Try reducing the batch size", "Please retry with a smaller batch", "Reduce batch"]
)
def test_advice_is_not_taken_for_having_gone_on(advice):
    assert evidence([f"not enough GPU memory\n{advice}\nsee the manual"]).is_vram


def test_a_refusal_whose_cause_is_named_is_no_lack_of_memory():
    assert evidence(["CUDA error: invalid device ordinal\ncudaMalloc failed"]) is None
    assert evidence(["cudaMalloc failed"]).is_vram


def test_there_are_texts_enough_of_every_kind():
    kinds = {said.memory for said in TEXTS}
    assert len(TEXTS) >= 89
    assert kinds == {None, *(memory.value for memory in Memory)}


def test_every_pattern_of_the_table_is_the_reason_of_some_verdict_or_stands_for_one():
    """A pattern that no text needs is one that nobody has tried."""
    untried = [
        pattern.text
        for pattern in (*PATTERNS, *SENTENCES)
        if not any(
            pattern.compiled.search(line)
            for said in LOOKED_AT
            if said.memory == pattern.memory.value
            for line in said.text.splitlines()
        )
    ]
    assert untried == []


def test_the_evidence_names_the_line_and_the_program():
    found = evidence(["loading\nERROR: CudaCustomAllocator out of memory\n [totalFreeSpace: 9 B]"])
    assert (found.by, found.number) == ("RELION", 1)
    assert found.line == "ERROR: CudaCustomAllocator out of memory"
    assert found.sure


def test_what_also_has_other_causes_is_not_sure():
    said = "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
    assert not evidence([said]).sure


def test_an_error_far_behind_a_recovered_one_is_the_last():
    between = "\n".join(f"step {n}" for n in range(40))
    text = f"torch.OutOfMemoryError: CUDA out of memory\n{between}\nerror: bad input"
    assert evidence([text]) is None


@pytest.mark.parametrize(
    "link",
    [
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    ],
)
def test_an_exception_raised_because_of_it_does_not_hide_it(link):
    frames = "\n".join(f'  File "t.py", line {n}, in f' for n in range(40))
    text = (
        f"RuntimeError: CUDA out of memory.\n\n{link}\n\n"
        f"Traceback (most recent call last):\n{frames}\nValueError: the batch failed"
    )
    assert evidence([text]).memory is Memory.DEVICE


def test_a_second_failure_after_a_recovered_one_counts():
    text = "CUDA out of memory, retrying\nstep 1\nRuntimeError: CUDA out of memory."
    assert evidence([text]).memory is Memory.DEVICE


def test_the_words_may_stand_in_any_of_the_files():
    assert evidence(["", "epoch 3\nCUDA out of memory."]).memory is Memory.DEVICE


def test_the_users_own_words_count_as_the_card():
    assert evidence(["the board is full"]) is None
    found = evidence(["the board is full"], own=["board is full"])
    assert (found.memory, found.by) == (Memory.DEVICE, "oom_patterns")


def test_to_say_that_it_cannot_try_again_is_not_to_go_on():
    text = "CUDA out of memory: could not split inputs and retry\nDriver stacktrace:\nshutting down"
    assert evidence([text]).memory is Memory.DEVICE


def test_what_a_program_stumbles_over_as_it_swallowed_the_failure_does_not_hide_it():
    text = (
        "Unable to create masks. CUDA out of memory. Tried to allocate 98.00 MiB\n"
        "Traceback (most recent call last):\n"
        '  File "module.py", line 90, in run\n'
        "UnboundLocalError: local variable 'masks' referenced before assignment"
    )
    assert evidence([text]).memory is Memory.DEVICE


def test_words_of_the_driver_that_name_no_failed_allocation_are_none():
    for text in ("cannot get device memory info", "Error testing memory allocation on device"):
        assert evidence([text]) is None
