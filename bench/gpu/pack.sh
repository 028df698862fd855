#!/usr/bin/env bash
# What a Linux machine (x64) with a GPU and nothing else needs to run this benchmark: bench-gpu.tgz.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT
npx tsc -p bench/gpu/tsconfig.json --outDir "$to/skewflow"
mkdir -p "$to/skewflow/bench/peers" "$to/skewflow/vulkan"
cp package.json package-lock.json "$to/skewflow"
cp bench/peers/*.py "$to/skewflow/bench/peers"
cp "$(command -v node)" "$to/skewflow/node"
(cd "$to/skewflow" && npm ci --omit=dev --ignore-scripts --silent)
find "$to/skewflow/node_modules/webgpu/dist" -mindepth 1 -maxdepth 1 ! -name linux-x64 -exec rm -rf {} +
# Dawn finds the GPU's driver through the Vulkan loader, which few servers have.
(cd "$to/skewflow/vulkan" && apt-get download libvulkan1) || echo "pack: no libvulkan1 could be fetched; bring it some other way" >&2
tar czf bench-gpu.tgz -C "$to" skewflow
ls -l bench-gpu.tgz
