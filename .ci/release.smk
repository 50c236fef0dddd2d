rule shared:
    output: "shared.txt"
    resources: vram_mb=900
    shell: "echo $NVINX_PLACEMENT > {output}"
