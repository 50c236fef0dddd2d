#!/usr/bin/env bash
echo "${snakemake_params[title]} ${snakemake[threads]} ${snakemake_resources[mem_mb]}" > "${snakemake_output[0]}"
cat "${snakemake_input[0]}" >> "${snakemake_output[0]}"
