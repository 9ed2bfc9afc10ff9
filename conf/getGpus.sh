#!/bin/sh
# Spark's GPU discovery: prints {"name":"gpu","addresses":["0","1"]}.
# Set as spark.worker.resource.gpu.discoveryScript or spark.executor.resource.gpu.discoveryScript.
set -u
if ! command -v nvidia-smi > /dev/null 2>&1; then
    echo "getGpus.sh: there is no nvidia-smi on PATH; install the NVIDIA driver on this host," \
        "or drop the spark.*.resource.gpu settings" >&2
    exit 1
fi
if ! indices=$(nvidia-smi --query-gpu=index --format=csv,noheader); then
    echo "getGpus.sh: nvidia-smi failed: $indices" >&2
    exit 1
fi
addresses=$(printf '%s\n' "$indices" | sed -n 's/^[[:space:]]*\([0-9][0-9]*\)[[:space:]]*$/"\1"/p' | paste -sd, -)
if [ -z "$addresses" ]; then
    echo "getGpus.sh: nvidia-smi lists no GPU: $indices" >&2
    exit 1
fi
printf '{"name":"gpu","addresses":[%s]}\n' "$addresses"
