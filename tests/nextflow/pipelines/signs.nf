// Every way in which a process says that it wants a GPU, and none of nvinx's labels.
process ACCELERATOR {
    label 'gpu'
    accelerator 1
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/ACCELERATOR'
}
process TYPED {
    accelerator 1, type: 'nvidia-tesla-k80'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/TYPED'
}
process COMPUTED {
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/COMPUTED'
}
process SMALL_LABEL {
    label 'gpu'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/SMALL_LABEL'
}
process LARGE_LABEL {
    label 'GPU'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/LARGE_LABEL'
}
process WITH_LABEL {
    label 'process_low'
    label 'with_gpus'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/WITH_LABEL'
}
process PROCESS_LABEL {
    label 'process_gpu_high'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/PROCESS_LABEL'
}
process CONTAINER {
    containerOptions '--gpus all'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/CONTAINER'
}
process CONTAINER_NV {
    containerOptions { task.attempt ? '--nv' : '' }
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/CONTAINER_NV'
}
process CLUSTER {
    clusterOptions '--gres=gpu:1'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/CLUSTER'
}
process NAMED {
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/NAMED'
}
process SWITCHED {
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/SWITCHED'
}
process OWN_SCRIPT {
    label 'with_gpus'
    beforeScript 'export LOADED=yes'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/OWN_SCRIPT'
}
process NF_CORE {
    label 'process_gpu'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/NF_CORE'
}
process CPU {
    label 'process_low'
    label 'no_gpu'
    containerOptions '--user root'
    script:
    'echo "${NVINX_PLACEMENT-none} ${CUDA_VISIBLE_DEVICES-none} ${LOADED-}" > $TRUTH/CPU'
}
workflow {
    ACCELERATOR()
    TYPED()
    COMPUTED()
    SMALL_LABEL()
    LARGE_LABEL()
    WITH_LABEL()
    PROCESS_LABEL()
    CONTAINER()
    CONTAINER_NV()
    CLUSTER()
    NAMED()
    SWITCHED()
    OWN_SCRIPT()
    NF_CORE()
    CPU()
}
