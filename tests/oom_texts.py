"""What programs write when memory runs out, and what looks like it: each with the right verdict.

`memory` is what ran out ("device", "cap", "handle" or "host"), or None where nothing did, or where
the program recovered. Seen in public threads; paths and numbers are shortened.
"""

from typing import NamedTuple

GH = "https://github.com"


class Said(NamedTuple):
    by: str
    text: str
    memory: str | None
    source: str
    status: int = 1


TEXTS = [
    # the card is full
    Said("PyTorch", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.35 GiB. GPU 0 has a total capacity of 23.65 GiB", "device", f"{GH}/RosettaCommons/foundry/issues/198"),
    Said("PyTorch 1", "RuntimeError: CUDA out of memory. Tried to allocate 746.00 MiB (GPU 0; 15.78 GiB total capacity; 12.68 GiB already allocated)", "device", f"{GH}/facebookresearch/esm/issues/407"),
    Said("PyTorch 2.0", "torch.cuda.OutOfMemoryError: CUDA out of memory.", "device", f"{GH}/NVIDIA/nccl/issues/1284"),
    Said("libtorch", "terminate called after throwing an instance of 'c10::OutOfMemoryError'\n  what():  CUDA out of memory. Tried to allocate 1.95 GiB\nException raised from malloc at ../c10/cuda/CUDACachingAllocator.cpp:681\nframe #0: c10::Error::Error\nAborted (core dumped)", "device", f"{GH}/nanoporetech/dorado/issues/57", 134),
    Said("libtorch", "terminate called after throwing an instance of 'c10::CUDAOutOfMemoryError'", "device", f"{GH}/nanoporetech/dorado/issues/64", 134),
    Said("PyTorch on ROCm", "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 16.00 GiB. GPU 0 has a total capacity of 15.24 GiB", "device", f"{GH}/ROCm/TheRock/issues/1054"),
    Said("PyTorch", "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call\nSearch for `cudaErrorMemoryAllocation' in the documentation", "device", f"{GH}/albertpumarola/GANimation/issues/34"),
    Said("XLA", "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 50677266816 bytes.", "device", f"{GH}/google-deepmind/alphafold3/issues/209"),
    Said("XLA", "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 47.20GiB\n--------------------\nFor simplicity, JAX has removed its internal frames from the traceback", "device", f"{GH}/google-deepmind/alphafold3/issues/693"),
    Said("old jaxlib", "RuntimeError: Resource exhausted: Out of memory while trying to allocate 12582912 bytes.", "device", f"{GH}/google-deepmind/alphafold/issues/197"),
    Said("XLA", "RESOURCE_EXHAUSTED: Failed to allocate request for 35.58GiB (38204550232B) on device ordinal 0", "device", f"{GH}/YoshitakaMo/localcolabfold/issues/214"),
    Said("XLA", "W external/xla/xla/tsl/framework/bfc_allocator.cc:497] Allocator (GPU_0_bfc) ran out of memory trying to allocate 47.20GiB\nE1214 pjrt_stream_executor_client.cc:3084] Execution of replica 0 failed: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 50677266816 bytes.", "device", f"{GH}/google-deepmind/alphafold3/issues/209"),
    Said("TensorFlow", "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[8,128] and type float on /job:localhost/device:GPU:0 by allocator GPU_0_bfc", "device", f"{GH}/tensorflow/tensorflow/issues/24496"),
    Said("TensorFlow", "E tensorflow/stream_executor/cuda/cuda_driver.cc:828] failed to allocate 2.96G (3179741184 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory", "device", f"{GH}/ivineetm007/Fall-detection/issues/4"),
    Said("CuPy", "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 4,000,000,000 bytes (allocated so far: 1,024 bytes).", "device", f"{GH}/cupy/cupy/pull/314"),
    Said("Numba", "numba.cuda.cudadrv.driver.CudaAPIError: [2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY", "device", f"{GH}/rapidsai/dask-cuda/issues/225"),
    Said("cuDF", "MemoryError: std::bad_alloc: CUDA error at: ../include/rmm/mr/device/cuda_memory_resource.hpp:68: cudaErrorMemoryAllocation out of memory", "device", f"{GH}/NVIDIA/cudf/issues/6746"),
    Said("cuDF", "MemoryError: std::bad_alloc: out_of_memory: CUDA error at: rmm/mr/device/cuda_memory_resource.hpp", "device", f"{GH}/NVIDIA/cudf/issues/10517"),
    Said("RMM", "rmm.rmm.RMMError: RMM_ERROR_OUT_OF_MEMORY", "device", f"{GH}/NVIDIA/cudf/issues/3508"),
    Said("XGBoost", "xgboost.core.XGBoostError: Memory allocation error on worker 0: std::bad_alloc: cudaErrorMemoryAllocation: out of memory", "device", f"{GH}/dmlc/xgboost/issues/9793"),
    Said("XGBoost", "terminate called after throwing an instance of 'thrust::system::system_error'  what():  src/tree/../common/device_helpers.cuh(456): out of memory", "device", f"{GH}/dmlc/xgboost/issues/2874", 134),
    Said("MXNet", "mxnet.base.MXNetError: src/storage/./pooled_storage_manager.h:157: cudaMalloc failed: out of memory\nStack trace:\n  [bt] (0) libmxnet.so(+0x49640b)\n[bt] (1) libmxnet.so", "device", f"{GH}/apache/mxnet/issues/675"),
    Said("MXNet", "MXNetError: cudaMalloc retry failed: out of memory", "device", f"{GH}/deepinsight/insightface/issues/1240"),
    Said("PaddlePaddle", "ResourceExhaustedError: \n\nOut of memory error on GPU 0. Cannot allocate 98.000244MB memory on GPU 0, 6.000000GB memory has been allocated\n\nPlease check whether there is any other process using GPU 0.\n1. If yes, please stop them, or start PaddlePaddle on another GPU.", "device", f"{GH}/PaddlePaddle/Paddle/issues/42228"),
    Said("Theano", "Error allocating 71323200 bytes of device memory (out of memory). Driver report 10526720 bytes free and 4294770688 bytes total", "device", f"{GH}/Theano/Theano/issues/3748"),
    Said("faiss", "RuntimeError: Error in void faiss::gpu::allocMemorySpaceV at gpu/utils/MemorySpace.cpp:26: Error: 'err == cudaSuccess' failed: failed to cudaMalloc 1610612736 bytes (error 2 out of memory)", "device", f"{GH}/yxgeee/SpCL/issues/44"),
    Said("faiss", "Error: 'err == cudaSuccess' failed: StandardGpuResources: alloc fail type TemporaryMemoryBuffer dev 0 space Device stream 0x1 size 1610612736 bytes (cudaMalloc error out of memory [2])", "device", f"{GH}/facebookresearch/faiss/issues/2155"),
    Said("TensorRT", "[E] Error[1]: [defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)\n[W] [TRT] Requested amount of GPU memory (15485030400 bytes) could not be allocated.\n[E] Error[10]: IBuilder::buildSerializedNetwork: Error Code 10: Internal Error\n[E] Engine could not be created from network", "device", f"{GH}/NVIDIA/TensorRT/issues/4258"),
    Said("TensorRT", "[E] [virtualMemoryBuffer.cpp::resizePhysical::154] Error Code 2: OutOfMemory (Requested size was 16581132288 bytes.)", "device", f"{GH}/NVIDIA/TensorRT/issues/4254"),
    Said("TensorRT 7", "[E] [TRT] ../rtSafe/safeRuntime.cpp (25) - Cuda Error in allocate: 2 (out of memory)\nmmpose_trt: src/model.cpp:46: Assertion `engine' failed.\nAborted (core dumped)", "device", f"{GH}/linghu8812/tensorrt_inference/issues/117", 134),
    Said("ONNX Runtime", "2024-11-02 [E:onnxruntime:, sequential_executor.cc:514] CUDAExecutionProvider: Non-zero status code returned while running Conv node. Status Message: onnxruntime/core/framework/bfc_arena.cc:376 onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 2830172160", "device", f"{GH}/microsoft/onnxruntime/issues/20038"),
    Said("Julia CUDA.jl", "ERROR: LoadError: Out of GPU memory trying to allocate 11.921 GiB\nEffective GPU memory usage: 99.85% (15.758 GiB/15.782 GiB)\nMemory pool usage: 13.411 GiB (15.281 GiB reserved)", "device", f"{GH}/JuliaGPU/CUDA.jl/issues/1346"),
    Said("Julia CUDAdrv", "ERROR: LoadError: CUDA error: out of memory (code #2, ERROR_OUT_OF_MEMORY)\nStacktrace:\n [1] macro expansion at CUDAdrv/src/base.jl:147", "device", f"{GH}/una-dinosauria/Rayuela.jl/issues/40"),
    Said("Julia AMDGPU", "ERROR: HIPError(code hipErrorOutOfMemory, out of memory)", "device", f"{GH}/JuliaGPU/AMDGPU.jl/issues/591"),
    Said("ggml", "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 144817.04 MiB on device 0: cudaMalloc failed: out of memory\nalloc_tensor_range: failed to allocate CUDA0 buffer of size 151851674624\nllama_model_load: error loading model: unable to allocate CUDA0 buffer\nmain: error: unable to load model", "device", f"{GH}/ggml-org/llama.cpp/issues/20431"),
    Said("ggml", "CUDA error 2 at ggml-cuda.cu:359: out of memory", "device", f"{GH}/ggml-org/llama.cpp/issues/1230"),
    Said("ollama", "Error: llama runner process has terminated: CUDA error: out of memory", "device", f"{GH}/ollama/ollama/issues/9782"),
    Said("CTranslate2", "Traceback (most recent call last):\n  File \"transcribe.py\", line 584\nRuntimeError: CUDA failed with error out of memory", "device", f"{GH}/SYSTRAN/faster-whisper/issues/442"),
    Said("vLLM", "ValueError: Free memory on device cuda:0 (3.25/23.43 GiB) on startup is less than desired GPU memory utilization (0.96, 22.49 GiB). Decrease GPU memory utilization\nTraceback (most recent call last):\n  File \"llm.py\", line 1\nRuntimeError: Engine core initialization failed. See root cause above.", "device", f"{GH}/vllm-project/vllm/issues/20305"),
    Said("NCCL", "host:1:2 [0] enqueue.cc:1085 NCCL WARN Cuda failure 'out of memory'\ntorch.distributed.DistBackendError: NCCL error: unhandled cuda error", "device", f"{GH}/PKU-YuanGroup/Open-Sora-Plan/issues/386"),
    Said("OpenCL", "E: ocl_pfn_notify error: CL_MEM_OBJECT_ALLOCATION_FAILURE error executing CL_COMMAND_WRITE_BUFFER on GeForce GTX 1080 Ti (Device 0).", "device", f"{GH}/iotaledger-archive/ccurl/issues/34"),
    Said("AMReX", "amrex::Abort::0::CUDA error 2 in file ../Src/Base/AMReX_Arena.cpp line 169: out of memory !!!\nSIGABRT\nMPI_ABORT was invoked on rank 0", "device", f"{GH}/AMReX-Codes/amrex/issues/3189", 6),
    Said("SPECFEM", "CUDA error !!!!! <out of memory> !!!!! \nat CUDA call error code: # 2402\nAbort(1) on node 1 (rank 1 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 1)", "device", f"{GH}/SPECFEM/specfem3d/issues/1344"),
    Said("PIConGPU", "terminate called after throwing an instance of 'CUDA::error' \n  what():  mallocMC/reservePoolPolicies/SimpleCudaMalloc_impl.hpp(42):\nerror: out of memory", "device", f"{GH}/ComputationalRadiationPhysics/picongpu/issues/3064", 134),
    Said("Kokkos", "terminate called after throwing an instance of 'std::runtime_error'\n  what():  cudaCreateTextureObject( & tex_obj ) error( cudaErrorMemoryAllocation): out of memory Kokkos_CudaSpace.cpp:296\nTraceback functionality not available\n[bigfacet:07706] *** Process received signal ***\n[bigfacet:07706] Signal: Aborted (6)", "device", f"{GH}/lammps/lammps/issues/542", 134),
    Said("LAMMPS", "ERROR on proc 0: Insufficient memory on accelerator (src/GPU/pair_lj_cut_gpu.cpp:110)", "device", f"{GH}/lammps/lammps/issues/2040"),
    Said("QUDA", "# QUDA: ERROR: Failed to allocate device memory of size 9289728 (cuda_color_spinor_field.cu:605 in allocateGhostBuffer())\n# QUDA: ERROR: Aborting (rank 0, host jrc0020)", "device", f"{GH}/lattice/quda/issues/527"),
    Said("OpenCV", "OpenCV Error: Gpu API call (out of memory) in CudaFuncTable::mallocPitch, file dynamicuda.hpp, line 1134", "device", f"{GH}/TomHeaven/AnomalyAnalysisWithOpticalFlow/issues/2"),
    Said("RELION", "~~(,_,\">ERROR: CudaCustomAllocator out of memory\n [requestedSpace:             530245632 B]\n [largestContinuousFreeSpace: 397115392 B]\n [totalFreeSpace:             495298560 B]\n[512B] (294912B) (1327104B)", "device", f"{GH}/3dem/relion/issues/130"),
    Said("RELION", "ERROR: out of memory in /home/user/relion/src/gpu_utils/cuda_mem_utils.h at line 576 (error-code 2)\n[node:30668] *** Process received signal ***\n[node:30668] Signal: Segmentation fault (11)\nmpirun noticed that process rank 2 exited on signal 11 (Segmentation fault).", "device", f"{GH}/3dem/relion/issues/87", 139),
    Said("RELION 2", "cudaCustomAllocator out of memory\n [requestedSpace:             44135424 B]", "device", f"{GH}/3dem/relion/issues/226"),
    Said("cryoSPARC", "  File \"pycuda/gpuarray.py\", line 209, in __init__\nMemoryError: cuMemAlloc failed: out of memory", "device", f"{GH}/cryoem-uoft/cryosparc-issues/issues/196"),
    Said("AMBER", "cudaMalloc GpuBuffer::Allocate failed out of memory", "device", "http://archive.ambermd.org"),
    Said("AMBER", "cudaMalloc Failed GpuBuffer::Allocate failed (cudaMalloc) out of memory", "device", "http://archive.ambermd.org"),
    Said("NAMD", "FATAL ERROR: CUDA error cudaMalloc(pp, sizeofT*len) in file src/CudaUtils.C, function allocate_device_T, line 174 on Pe 0 (gpu01 device 0 pci 0:3b:0): out of memory\n[Partition 0][Node 0] End of program", "device", "https://www.ks.uiuc.edu/Research/namd/mailing_list"),
    Said("NAMD", "FATAL ERROR: CUDA error in cuda_check_local_progress on Pe 3 (gpu01 device 1): out of memory", "device", "https://www.ks.uiuc.edu/Research/namd/mailing_list"),
    Said("OpenMM", "openmm.OpenMMException: Error creating array interactingAtoms: CUDA_ERROR_OUT_OF_MEMORY (2)", "device", f"{GH}/openmm/openmm/issues/3975"),
    Said("GROMACS", "Program:     gmx mdrun, version 2023.1\nSource file: src/gromacs/gpu_utils/device_buffer.cuh (line 72)\nFatal error:\nAllocation failed. CUDA error #2 (cudaErrorMemoryAllocation): out of memory.", "device", "https://gromacs.bioexcel.eu"),
    Said("MMseqs2", "CUDA error: out of memory : lib/libmarv/src/cudasw4.cuh, line 1276\nError: Prefilter died", "device", f"{GH}/soedinglab/MMseqs2/issues/905"),
    Said("CellBender", "cellbender:remove-background: Preparing to write outputs to file...\nRuntimeError: CUDA out of memory. Tried to allocate 1.20 GiB", "device", f"{GH}/broadinstitute/CellBender/pull/103"),
    Said("Guppy", "terminate called after throwing an instance of 'std::runtime_error'\n  what():  Could not allocate shared buffer for CUDA basecaller.\nAborted (core dumped)", "device", f"{GH}/nanoporetech/rerio/issues/25", 134),
    Said("bio_embeddings", "ERROR:bio_embeddings:Error processing batch of 3 sequences: CUDA out of memory. Tried to allocate 972.00 MiB\nRuntimeError: CUDA out of memory. Tried to allocate 98.00 MiB", "device", f"{GH}/sacdallago/bio_embeddings/issues/33"),
    Said("a mine", "Cuda error in func \"cuda_init_device\" at line 33: out of memory.", "device", f"{GH}/NoncerPro/noncerpro-nimiq-cuda/issues/17"),
    # left out: exits with 0 as if all were well
    Said("Boltz", "LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0]\nPredicting DataLoader 0:   0%|   | 0/1 [00:00<?, ?it/s]| WARNING: ran out of memory, skipping batch\nPredicting DataLoader 0: 100%|  | 1/1 [00:05<00:00,  0.18it/s]Number of failed examples: 1", "device", f"{GH}/jwohlwend/boltz/issues/575", 0),
    Said("Boltz affinity", "LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0]\rPredicting: 0%| WARNING: ran out of memory, skipping batch\rPredicting: 100%\nTraceback (most recent call last):\n  File \"boltz/main.py\", line 1\nFileNotFoundError: [Errno 2] No such file or directory: 'pre_affinity.npz'", "device", f"{GH}/jwohlwend/boltz/issues/167"),
    Said("ColabFold", "2022-03-28 06:32:46,272 Running model_1\n2022-03-28 06:34:20,955 Could not predict prot_23797. Not Enough GPU memory? RESOURCE_EXHAUSTED: Out of memory while trying to allocate 2542442752 bytes.\n2022-03-28 06:34:20,979 Done", "device", f"{GH}/googlecolab/colabtools/issues/2704", 0),
    Said("ColabFold", "2022-04-15 18:59:12,166 Could not predict test_80651. Not Enough GPU memory? INTERNAL: CUBLAS_STATUS_EXECUTION_FAILED\n2022-04-15 18:59:13 Done", "device", f"{GH}/sokrypton/ColabFold/issues/207", 0),
    Said("ESMFold", "22/11/10 13:59:15 | INFO | root | Failed (CUDA out of memory) on sequence hipAB-900 of length 918.\n22/11/10 13:59:17 | INFO | root | Failed (CUDA out of memory) on sequence hipAB-1050 of length 1071.", "device", f"{GH}/facebookresearch/esm/issues/355", 0),
    Said("Cellpose", "NET ERROR: CUDA out of memory. Tried to allocate 392.00 MiB (GPU 0; 8.00 GiB total capacity)", "device", f"{GH}/MouseLand/cellpose/issues/189", 0),
    # the allocator's own limit
    Said("PyTorch capped", "torch.OutOfMemoryError: CUDA out of memory. Allocation would exceed per_process_memory_fraction limit.", "cap", "https://pytorch.org/docs"),
    Said("PyTorch capped", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.65 GiB of which 20.10 GiB is free. 3.50 GiB allowed; Of the allocated memory 3.20 GiB is allocated by PyTorch", "cap", "https://pytorch.org/docs"),
    Said("vLLM", "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.", "cap", f"{GH}/vllm-project/vllm/issues/7028"),
    Said("vLLM", "ValueError: The model's max seq len (4096) is larger than the maximum number of tokens that can be stored in KV cache (3664). Try increasing `gpu_memory_utilization`", "cap", f"{GH}/vllm-project/vllm/issues/2418"),
    Said("SGLang", "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.", "cap", f"{GH}/sgl-project/sglang/issues/322"),
    Said("Guppy", "[guppy/info] CUDA device 0 reached memory limit while trying to allocate 414853888 bytes, currently at 3317279728/4100456448", "cap", f"{GH}/nanoporetech/megalodon/issues/297"),
    # a library found no room for its workspace
    Said("cuBLAS", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "handle", f"{GH}/QwenLM/Qwen3/issues/873"),
    Said("cuDNN", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "handle", f"{GH}/deepfakes/faceswap-playground/issues/292"),
    Said("cuRAND", "cupy_backends.cuda.libs.curand.CURANDError: CURAND_STATUS_ALLOCATION_FAILED", "handle", f"{GH}/cupy/cupy/issues/5894"),
    Said("cuSPARSE", "CuSparseError: CUSPARSE_STATUS_ALLOC_FAILED", "handle", f"{GH}/NVIDIA-Genomics-Research/rapids-single-cell-examples/issues/11"),
    Said("cuBLAS", "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "handle", f"{GH}/EleutherAI/lm-evaluation-harness/issues/1689"),
    Said("cuDNN", "E external/xla/xla/stream_executor/cuda/cuda_dnn.cc:439] Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR\nMemory usage: 707198976 bytes free, 4231397376 bytes total.\nTraceback (most recent call last):\njaxlib.xla_extension.XlaRuntimeError: FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above for more details.", "handle", f"{GH}/jax-ml/jax/issues/16078"),
    Said("cuSOLVER", "RuntimeError: jaxlib/cusolver.cc:51: operation cusolverDnCreate(&handle) failed: cuSolver internal error", "handle", f"{GH}/nrbennet/dl_binder_design/issues/38"),
    # the machine's own memory
    Said("the kernel", "Killed", "host", f"{GH}/numpy/numpy/issues/15193", 137),
    Said("the kernel", "[1234.5] Out of memory: Killed process 4711 (python) total-vm:123kB", "host", "https://www.kernel.org", 137),
    Said("Slurm", "slurmstepd: error: Detected 1 oom-kill event(s) in step 802100.batch cgroup. Some of your processes may have been killed by the cgroup out-of-memory handler.", "host", f"{GH}/KChen-lab/MEDALT/issues/9", 137),
    Said("NumPy", "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 1.61 GiB for an array with shape (753, 536, 536) and data type float64", "host", f"{GH}/MIC-DKFZ/nnUNet/issues/2213"),
    Said("Cellpose", "2023-02-13 [INFO] ** TORCH CUDA version installed and working. **\nnumpy.core._exceptions.MemoryError: Unable to allocate 79.1 GiB for an array with shape (3, 59393)", "host", f"{GH}/MouseLand/cellpose/issues/661"),
    Said("PyTorch on the CPU", "RuntimeError: [enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 98304 bytes.", "host", f"{GH}/IvanoLauriola/MKLpy/issues/27"),
    Said("C++", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nAborted (core dumped)", "host", f"{GH}/gnina/gnina/issues/30", 134),
    Said("MMseqs2", "mem_align could not allocate memory.\nSegmentation fault (core dumped)\nError: Alignment died", "host", f"{GH}/soedinglab/MMseqs2/issues/513"),
    Said("Linux", "OSError: [Errno 12] Cannot allocate memory", "host", f"{GH}/ChrisMaherLab/SV-Hotspot/issues/1"),
    Said("R", "Error: cannot allocate vector of size 790.8 Gb\nExecution halted", "host", f"{GH}/satijalab/seurat/issues/2997"),
    Said("Java", "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n\tat ModularityOptimizer.readInputFile(ModularityOptimizer.java:211)", "host", f"{GH}/satijalab/seurat/issues/242"),
    Said("Python", "Traceback (most recent call last):\nMemoryError", "host", f"{GH}/numpy/numpy/issues/13225"),
    Said("pinned memory", "W device_host_allocator.h:46] could not allocate pinned host memory of size: 34359738368\nE cuda_driver.cc:802] failed to alloc 34359738368 bytes on host: CUDA_ERROR_OUT_OF_MEMORY: out of memory", "host", f"{GH}/talmolab/sleap/issues/2001"),
    Said("Charm++", "Fatal CUDA Error out of memory at cuda-hybrid-api.cu:790.\nReturn value 2 from 'cudaMallocHost(&pinnedChunk, bufSize * numBuffers)'.", "host", f"{GH}/charmplusplus/charm/issues/1488"),
    # recovered, and then something else, or nothing
    Said("Dorado", "[warning] Caught Torch error 'CUDA out of memory. Tried to allocate 10.17 GiB', clearing CUDA cache and retrying.\n[info] > Finished\nterminate called after throwing an instance of 'std::runtime_error'\n  what():  Failed to write SAM record, error code -1", None, f"{GH}/nanoporetech/dorado/issues/579"),
    Said("a tool", "CUDA out of memory at batch size 64; retrying with 32\nstep 10\nTraceback (most recent call last):\n  File \"t.py\", line 3\nKeyError: 'sequence'", None, f"{GH}/sacdallago/bio_embeddings/issues/217"),
    Said("a tool", "WARNING: CUDA out of memory, falling back to CPU\nprocessed 3 of 9\nerror: output folder is not writable: Permission denied", None, f"{GH}/nextcloud/recognize/issues/901"),
    Said("a tool", "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB\nWill try to embed each sequence in the set individually on the GPU.\ndone 1\nValueError: sequence 7 holds a letter that is none", None, f"{GH}/sacdallago/bio_embeddings/issues/217"),
    Said("a tool", "caught: CUDA out of memory\nTraceback (most recent call last):\n  File \"t.py\", line 3\nKeyError: 'sequence'", None, f"{GH}/BatsResearch/alfred/pull/13"),
    Said("a tool", "Reducing batch size after CUDA out of memory\nepoch 2\nepoch 3\nKilled by the user", None, f"{GH}/axolotl-ai-cloud/axolotl/pull/925"),
    Said("XLA", "W bfc_allocator.cc:275] Allocator (GPU_0_bfc) ran out of memory trying to allocate 411.51MiB with freed_by_count=0. The caller indicates that this is not a failure, but may mean that there could be performance gains\nValueError: bad shape", None, f"{GH}/YoshitakaMo/localcolabfold/issues/61"),
    # looks like it, and is not
    Said("PyTorch", "ValueError: Unrecognized key 'per_process_memory_fraction' in CUDA allocator config.", None, "https://pytorch.org/docs"),
    Said("CUDA", "Error 805: MPS client failed to connect to the MPS control daemon", None, "https://docs.nvidia.com/deploy/mps"),
    Said("CUDA", "CUDA error: all CUDA-capable devices are busy or unavailable", None, f"{GH}/jade-hpc-gpu/jade-hpc-gpu.github.io/issues/39"),
    Said("CUDA", "RuntimeError: CUDA error: an illegal memory access was encountered", None, f"{GH}/lammps/lammps/pull/4007"),
    Said("OpenMM", "openmm.OpenMMException: No compatible CUDA device is available", None, f"{GH}/openmm/openmm/issues/5196"),
    Said("OpenCL", "clEnqueueNDRangeKernel failed with error code -5 (Out of resources)", None, f"{GH}/mortvest/hastl/issues/4"),
    Said("NAMD", "FATAL ERROR: CudaTileListKernel::buildTileLists, maximum shared memory allocation exceeded. Too many atoms in a patch", None, f"{GH}/fhh2626/BFEE3/issues/133"),
    Said("MMseqs2", "CUDA error: initialization error : lib/libmarv/src/marv.cu, line 85\nError: Prefilter died", None, f"{GH}/soedinglab/MMseqs2/issues/941"),
    Said("Linux", "OSError: [Errno 28] No space left on device", None, f"{GH}/jwohlwend/boltz/issues/390"),
    Said("Guppy", "[guppy/info] CUDA device 0 reached memory limit while trying to allocate 0 bytes, currently at 64/10495852544\n[guppy/error] CUDA error at barcode_cuda.cpp:77: CUDA_ERROR_INVALID_VALUE.", None, f"{GH}/nanoporetech/megalodon/issues/266"),
    Said("nothing", "", None, ""),
]  # fmt: skip
