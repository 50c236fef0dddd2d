"""The words in which programs say that memory ran out, each with where it was seen. Pure.

A new program is a new line. A pattern is matched against one line at a time, and the first of the
table that matches has the word, so special ones stand before general ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property


class Memory(Enum):
    """What ran out.

    DEVICE: the card. CAP: what the program's allocator may take, which is less than the card.
    HANDLE: a library such as cuBLAS found no room for its own workspace. HOST: the machine's RAM.
    """

    DEVICE = "device"
    CAP = "cap"
    HANDLE = "handle"
    HOST = "host"


@dataclass(frozen=True)
class Pattern:
    """By whom it is said, what ran out, a regular expression for the line, and a thread with it.

    sure: False where the same words have other causes too. needs_gpu: counts only where the text
    speaks of a GPU elsewhere.
    """

    by: str
    memory: Memory
    text: str
    source: str
    sure: bool = True
    needs_gpu: bool = False

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.text)


_DEVICE, _CAP, _HANDLE, _HOST = Memory.DEVICE, Memory.CAP, Memory.HANDLE, Memory.HOST
_GH = "github.com"

USER = "oom_patterns"  # says what the user's own patterns say

KILLED = "a signal"  # whoever sent it

# Whom nvinx holds to what a job declares, or who may hold himself to it: more room then helps even
# where nobody else is on the card.
HELD_TO_CAP = frozenset({"PyTorch", "XLA", "TensorFlow", "CuPy", USER})

PATTERNS = (
    Pattern("PyTorch", _CAP, r"per_process_memory_fraction limit", "pytorch.org/docs"),
    Pattern("PyTorch", _CAP, r"CUDA out of memory.*\ballowed;", "pytorch.org/docs"),
    Pattern("PyTorch", _DEVICE, r"torch\.(?:cuda\.)?OutOfMemoryError|c10::(?:CUDA)?OutOfMemoryError", f"{_GH}/nanoporetech/dorado/issues/740"),
    Pattern("PyTorch", _DEVICE, r"(?:CUDA|HIP) out of memory", f"{_GH}/facebookresearch/esm/issues/407"),
    Pattern("PyTorch", _HOST, r"DefaultCPUAllocator: (?:can't allocate|not enough) memory", f"{_GH}/IvanoLauriola/MKLpy/issues/27"),
    Pattern("CUDA", _HOST, r"could not allocate pinned host memory|bytes on host: CUDA_ERROR_OUT_OF_MEMORY", f"{_GH}/talmolab/sleap/issues/2001"),
    Pattern("PyTorch", _DEVICE, r"Allocation on device \d+ would exceed allowed memory", f"{_GH}/Comfy-Org/ComfyUI/issues/5886"),
    Pattern("PyTorch", _HOST, r"insufficient shared memory \(shm\)|workers are out of shared memory", f"{_GH}/facebookresearch/mmf/issues/441"),
    Pattern("TensorFlow", _HOST, r"OOM when allocating tensor.*(?:device:CPU\b|by allocator \w*cpu\b)", f"{_GH}/tensorflow/tensorflow/issues/45238"),
    Pattern("XLA", _DEVICE, r"(?i:resource[_ ]?exhausted(?:error)?): (?i:out of memory|failed to allocate|OOM)", f"{_GH}/google-deepmind/alphafold/issues/197"),
    Pattern("XLA", _DEVICE, r"INTERNAL: Failed to allocate \d+ bytes", f"{_GH}/kalininalab/alphafold_non_docker/issues/55"),
    Pattern("TensorFlow", _DEVICE, r"OOM when allocating tensor", f"{_GH}/tensorflow/tensorflow"),
    Pattern("XLA", _DEVICE, r"Allocator \(GPU_\d+_bfc\) ran out of memory", f"{_GH}/YoshitakaMo/localcolabfold/issues/61"),
    Pattern("CuPy", _DEVICE, r"cupy\.cuda\.memory\.OutOfMemoryError|CuPy OutOfMemoryError", f"{_GH}/cupy/cupy/pull/314"),
    Pattern("RAPIDS", _DEVICE, r"RMM_ERROR_OUT_OF_MEMORY|std::bad_alloc: (?:out_of_memory: )?CUDA error|rmm::out_of_memory", f"{_GH}/NVIDIA/cudf/issues/10517"),
    Pattern("XGBoost", _DEVICE, r"bad_alloc: cudaErrorMemoryAllocation", f"{_GH}/dmlc/xgboost/issues/9793"),
    Pattern("CUDA", _DEVICE, r"cudaErrorMemoryAllocation\b|CUDA_ERROR_OUT_OF_MEMORY\b|hipErrorOutOfMemory\b", f"{_GH}/openmm/openmm/issues/3975"),
    Pattern("CUDA", _HOST, r"Return value 2 from '(?:cudaMallocHost|cudaHostAlloc)", f"{_GH}/charmplusplus/charm/issues/1488"),
    Pattern("CUDA", _HANDLE, r"\bCU(?:BLAS|DNN|SOLVER|SPARSE|FFT|RAND)_(?:STATUS_)?ALLOC(?:ATION)?_FAILED\b", f"{_GH}/cupy/cupy/issues/5894"),
    Pattern("CUDA", _HANDLE, r"cuFFT failed to allocate GPU or CPU memory", f"{_GH}/computational-imaging/ThreeDeconv.jl/issues/2"),
    Pattern("CUDA", _HANDLE, r"CUBLAS_STATUS_NOT_INITIALIZED.*cublasCreate|failed to create cublas handle: CUBLAS_STATUS_NOT_INITIALIZED", f"{_GH}/EleutherAI/lm-evaluation-harness/issues/1689", sure=False),
    Pattern("XLA", _HANDLE, r"(?i:could not create cudnn handle): CUDNN_STATUS_(?:INTERNAL_ERROR|NOT_INITIALIZED)", f"{_GH}/jax-ml/jax/issues/17217", sure=False),
    Pattern("XLA", _HANDLE, r"cusolverDnCreate\(&handle\) failed: cuSolver internal error|Failed to create cuSolverDN instance", f"{_GH}/YoshitakaMo/localcolabfold/issues/90", sure=False),
    Pattern("RELION", _DEVICE, r"(?i:cudaCustomAlloc(?:ator)?) out of memory", f"{_GH}/3dem/relion/issues/1075"),
    Pattern("RELION", _DEVICE, r"out of memory in \S+ at line \d+ \(error-code 2\)", f"{_GH}/3dem/relion/issues/87"),
    Pattern("AMBER", _DEVICE, r"cudaMalloc\w* GpuBuffer::Allocate failed|GpuBuffer::Allocate failed \(cudaMalloc\w*\)", "archive.ambermd.org"),
    Pattern("vLLM", _DEVICE, r"Free memory on device .*is less than desired GPU memory utilization", f"{_GH}/vllm-project/vllm/issues/20305"),
    Pattern("vLLM", _CAP, r"No available memory for the cache blocks|larger than the (?:maximum number of tokens that can be stored in|available) KV cache", f"{_GH}/vllm-project/vllm/issues/2418"),
    Pattern("SGLang", _CAP, r"Not enough memory\. Please try (?:to increase|increasing) --mem-fraction-static", f"{_GH}/sgl-project/sglang/issues/322"),
    Pattern("ggml", _DEVICE, r"unable to allocate (?:CUDA\d+|backend) buffer|failed to allocate CUDA\d+ buffer", f"{_GH}/ggml-org/llama.cpp/issues/7366"),
    Pattern("ONNX Runtime", _DEVICE, r"BFCArena::AllocateRawInternal.*Failed to allocate memory", f"{_GH}/microsoft/onnxruntime/issues/22702", needs_gpu=True),
    Pattern("TensorRT", _DEVICE, r"Error Code 2: OutOfMemory|Requested amount of GPU memory \(\d+ bytes\) could not be allocated", f"{_GH}/NVIDIA/TensorRT/issues/4258"),
    Pattern("PaddlePaddle", _DEVICE, r"Out of memory error on GPU \d+", f"{_GH}/PaddlePaddle/Paddle/issues/42228"),
    Pattern("Theano", _DEVICE, r"Error allocating \d+ bytes of device memory", f"{_GH}/Theano/Theano/issues/3748"),
    Pattern("Guppy", _CAP, r"CUDA device \d+ reached memory limit while trying to allocate [1-9]", f"{_GH}/nanoporetech/megalodon/issues/297"),
    Pattern("Guppy", _DEVICE, r"Could not allocate shared buffer for CUDA basecaller", f"{_GH}/nanoporetech/rerio/issues/25"),
    Pattern("LAMMPS", _DEVICE, r"Insufficient memory on accelerator", f"{_GH}/lammps/lammps/issues/2040"),
    Pattern("QUDA", _DEVICE, r"Failed to allocate device memory of size", f"{_GH}/lattice/quda/issues/527"),
    Pattern("Clair3", _DEVICE, r"No memory in GPU", f"{_GH}/HKU-BAL/Clair3/issues/405"),
    Pattern("ColabFold", _DEVICE, r"Not Enough GPU memory\?", f"{_GH}/sokrypton/ColabFold/issues/207", sure=False),
    Pattern("Julia", _DEVICE, r"Out of GPU memory trying to allocate|OutOfGPUMemoryError", f"{_GH}/JuliaGPU/CUDA.jl/issues/1346"),
    Pattern("OpenCL", _DEVICE, r"CL_MEM_OBJECT_ALLOCATION_FAILURE|clCreateBuffer.*\(-4\)", f"{_GH}/iotaledger-archive/ccurl/issues/34"),
    Pattern("Spark RAPIDS", _DEVICE, r"\bGPU OutOfMemory\b|\bGpu\w*OOM\b", f"{_GH}/NVIDIA/cudf-spark/issues/11603"),
    Pattern("Vulkan", _DEVICE, r"(?i)out_?of_?(?:device|gpu)_?memory", f"{_GH}/ggml-org/llama.cpp/issues/15256"),
    # The machine's own memory
    Pattern("Spark RAPIDS", _HOST, r"\bCPU OutOfMemory\b|\bCpu\w*OOM\b", f"{_GH}/NVIDIA/cudf-spark/pull/12352"),
    Pattern("Rust", _HOST, r"\bmemory allocation of \d+ bytes failed", f"{_GH}/algbio/ggcat/issues/65"),
    Pattern("Java", _HOST, r"java\.lang\.OutOfMemoryError", f"{_GH}/satijalab/seurat/issues/242"),
    Pattern("R", _HOST, r"cannot allocate vector of (?:size|length)", f"{_GH}/satijalab/seurat/issues/2997"),
    Pattern("NumPy", _HOST, r"Unable to allocate .* for an array with shape|\b_ArrayMemoryError\b", f"{_GH}/MIC-DKFZ/nnUNet/issues/2213"),
    Pattern("Slurm", _HOST, r"oom[-_ ]kill|cgroup out-of-memory handler", f"{_GH}/KChen-lab/MEDALT/issues/9"),
    Pattern(KILLED, _HOST, r"\bline \d+: +\d+ Killed\b", f"{_GH}/nf-core/pathogensurveillance/issues/9", sure=False),
    Pattern("the kernel", _HOST, r"Out of memory: Kill(?:ed)? process|Memory cgroup out of memory", "kernel.org"),
    Pattern("PyTorch", _DEVICE, r"\bran out of memory, skipping batch", f"{_GH}/jwohlwend/boltz/issues/575"),
)  # fmt: skip
