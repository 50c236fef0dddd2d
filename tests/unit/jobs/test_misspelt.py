"""A name that was meant as a hint never passes in silence, and nobody else's is taken for one."""

import pytest

from nvinx.errors import HintError
from nvinx.jobs import gpu_words
from nvinx.jobs.hints import Common, read

MISSPELT = {
    "cpufallback": "cpu_fallback=1",
    "cpu_falback": "cpu_fallback=1",
    "cpu_fallbak": "cpu_fallback=1",
    "cpu_fall_back": "cpu_fallback=1",
    "cpufalback": "cpu_fallback=1",
    "fallback_cpu": "cpu_fallback=1",
    "fallback": "cpu_fallback=1",
    "ramoverflow": "ram_overflow=1",
    "ram_over_flow": "ram_overflow=1",
    "ram_overflw": "ram_overflow=1",
    "ram_ovrflow": "ram_overflow=1",
    "rma_overflow": "ram_overflow=1",
    "overflow_ram": "ram_overflow=1",
    "overflow": "ram_overflow=1",
    "modle": "model='1'",
    "mdoel": "model='1'",
    "modell": "model='1'",
    "models": "model='1'",
    "residncy": "residency='1'",
    "residensy": "residency='1'",
    "residence": "residency='1'",
    "recidency": "residency='1'",
    "maxslowdown": "max_slowdown=1",
    "max_slow_down": "max_slowdown=1",
    "max_slowdow": "max_slowdown=1",
    "max_slowdwon": "max_slowdown=1",
    "slowdown": "max_slowdown=1",
    "slowdown_max": "max_slowdown=1",
    "max_slowdown_factor": "max_slowdown=1",
    "cpuruntime": "cpu_runtime=1",
    "cpu_run_time": "cpu_runtime=1",
    "runtime_cpu": "cpu_runtime=1",
    "vrammb": "vram_mb=1",
    "vram_bm": "vram_mb=1",
    "vrma_mb": "vram_mb=1",
    "vran_mb": "vram_mb=1",
    "varm_mb": "vram_mb=1",
    "v_ram_mb": "vram_mb=1",
    "vmem_mb": "vram_mb=1",
    "_gpu": "gpu=1",
    "vram_size": "vram_mb=..., which is in MB",
    "vram_bytes": "vram_mb=..., which is in MB",
    "gpushare": "gpu_share=1",
    "gpu_sahre": "gpu_share=1",
    "gpu_shar": "gpu_share=1",
    "nvinxsize": "nvinx_size=1",
    "nvinx_stag": "nvinx_stage=1",
    "nvnix_stage": "nvinx_stage=1",
    "gpu_exclusive": "residency='gpu_exclusive'",
    "cpu_only": "residency='cpu_only'",
}
SAME_IN_OTHER_LETTERS = {
    "VRAM_MB": (900, 858),
    "vramMb": (900, 858),
    "Vram": ("900MB", 858),
    "vram_gb": (2, 1907),
    "vramGB": (2, 1907),
    "vram_gib": (2, 2048),
    "gpu_mem_mb": (900, 858),
    "gpu_mem_gb": (2, 1907),
    "gpu_vram_mb": (900, 858),
    "video_mem_mb": (900, 858),
    "cuda_mem_mb": (900, 858),
}
OF_TEXTS = ("model", "residency")

SNAKEMAKE = """_cores _nodes cores nodes threads priority attempt mem mem_mb mem_mib disk disk_mb disk_mib
    runtime tmpdir shell_exec gpu_model gpu_manufacturer"""
EXECUTORS = {
    "Slurm": """slurm_account slurm_partition slurm_extra slurm_requeue slurm_cluster cluster
        clusters constraint qos reservation cpus_per_task cpus_per_gpu mem_mb_per_cpu mpi tasks
        tasks_per_gpu tasks_per_node ntasks ntasks_per_node nodes account partition walltime time""",
    "LSF": "lsf_queue lsf_project lsf_extra ptile span walltime time_min cpus_per_node",
    "HTCondor": """universe rank request_disk request_memory requirements require_gpus getenv
        environment input max_retries allowed_execute_duration allowed_job_duration retry_until
        container_image job_wrapper preserve_relative_paths cuda_version gpus_minimum_capability
        gpus_minimum_runtime htcondor_request_mem_mb htcondor_request_disk_mb
        htcondor_transfer_input_files htcondor_transfer_output_files concurrency_limits""",
    "Google Batch": """googlebatch_machine_type googlebatch_image_family googlebatch_image_project
        googlebatch_bucket googlebatch_mount_path googlebatch_work_tasks googlebatch_network
        googlebatch_subnetwork googlebatch_service_account googlebatch_cpu_milli googlebatch_memory
        googlebatch_boot_disk_type googlebatch_boot_disk_image googlebatch_boot_disk_gb
        googlebatch_retry_count googlebatch_max_run_duration googlebatch_labels
        googlebatch_container googlebatch_snippets cpu_milli memory_mib""",
    "AWS Batch": """aws_batch_job_definition aws_batch_scheduling_priority aws_batch_task_timeout
        batch_queue shared_memory_size_mb""",
    "Kubernetes, Kueue, Azure, Flux, TES": """machine_type scale container kueue_memory
        kueue_operator kueue_tasks vcpus vm_size storage""",
    "SGE, PBS": """sge_queue sge_pe sge_project sge_priority sge_resources sge_extra
        sge_export_env sge_reservation h_vmem vmem pvmem h_rt s_rt tmem scratch_size tscratch cput
        cputime ncpus select pbs_queue""",
    "of workflows": """residues residue_count mode modes mods nodel load io io_limit network net
        downloads database db_conn licenses license_matlab ram_mb ram ram_gb mem_gb cpu cpus cpu_mb
        volume_mb v vm""",
}


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_hint_is_an_error_that_says_what_was_meant(name):
    meant = MISSPELT[name]
    value = "1" if meant.startswith(OF_TEXTS) else 1
    with pytest.raises(HintError) as refused:
        read("embed", gpu_words.translated({name: value}), Common(), {})
    assert refused.value.hint == f"{name}={value!r}"
    assert refused.value.fix == f"write {meant}"


@pytest.mark.parametrize("name", SAME_IN_OTHER_LETTERS)
def test_a_size_under_another_name_whose_unit_is_clear_counts(name):
    value, mib = SAME_IN_OTHER_LETTERS[name]
    assert read("embed", gpu_words.translated({name: value}), Common(), {}).vram_mib == mib


@pytest.mark.parametrize("value", [1, "some text"])
@pytest.mark.parametrize("names", [SNAKEMAKE, *EXECUTORS.values()])
def test_what_snakemake_and_other_executors_read_is_no_misspelt_hint(names, value):
    for name in names.split():
        read("embed", gpu_words.translated({name: value}), Common(), {})


def test_a_number_of_models_is_no_misspelt_name_of_one():
    assert not read("embed", {"models": 3}, Common(), {}).uses_gpu
