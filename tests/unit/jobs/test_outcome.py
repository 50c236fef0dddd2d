"""Out of memory is told from the words of each framework, and from nothing else."""

import pytest

from nvinx.jobs.outcome import Outcome, outcome_of

OUT_OF_MEMORY = [
    (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 11.28 GiB. GPU 0 has"),
    (1, "torch.cuda.OutOfMemoryError: CUDA out of memory."),
    (134, "terminate called after throwing an instance of 'c10::OutOfMemoryError'"),
    (1, "CUDA out of memory. Allocation would exceed per_process_memory_fraction limit."),
    (1, "RuntimeError: CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'"),
    (1, "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    (1, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    (1, "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate"),
    (1, "OpenMMException: Error creating array interactingAtoms: CUDA_ERROR_OUT_OF_MEMORY (2)"),
    (1, "ggml_cuda: allocating 144817 MiB on device 0: cudaMalloc failed: out of memory"),
    (1, "ResourceExhaustedError: OOM when allocating tensor with shape[8,128]"),
    (1, "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 4,000,000,000 bytes"),
]
OTHER = [
    (137, "Killed"),
    (1, "MemoryError: Unable to allocate 12 GiB for an array"),
    (1, "DefaultCPUAllocator: can't allocate memory: you tried to allocate 98304 bytes"),
    (1, "ValueError: Unrecognized key 'per_process_memory_fraction' in CUDA allocator config."),
    (1, "Error 805: MPS client failed to connect to the MPS control daemon"),
    (1, "CUDA error: all CUDA-capable devices are busy or unavailable"),
    (1, "CUDA error: an illegal memory access was encountered"),
    (1, ""),
]


@pytest.mark.parametrize(("status", "text"), OUT_OF_MEMORY)
def test_these_are_out_of_memory(status, text):
    assert outcome_of(status, f"epoch 3\n{text}\nmore") is Outcome.OUT_OF_MEMORY


@pytest.mark.parametrize(("status", "text"), OTHER)
def test_these_are_other_failures(status, text):
    assert outcome_of(status, text) is Outcome.FAILED


def test_a_program_that_recovered_and_ended_well_is_a_success():
    said = "[warning] Caught Torch error 'CUDA out of memory.', clearing the cache and retrying."
    assert outcome_of(0, said) is Outcome.OK
