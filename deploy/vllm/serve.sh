#!/bin/sh
# Serve one model for Sidecoach: MODEL (folder or name), NAME (as the route calls it), PORT.
# Loopback only: vLLM's key guards some paths and not others, so what others may reach is for a
# proxy with an allow-list to say (proxy.conf beside this file).
set -eu
: "${MODEL:?folder or name of the model}" "${NAME:?name that the route uses}"
export VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 HF_HUB_OFFLINE="${HF_HUB_OFFLINE:-1}"
exec vllm serve "$MODEL" \
    --served-model-name "$NAME" \
    --host 127.0.0.1 --port "${PORT:-18100}" \
    --max-model-len "${CONTEXT:-8192}" \
    --max-num-seqs "${AT_ONCE:-64}" \
    --enable-prefix-caching \
    --disable-log-requests
