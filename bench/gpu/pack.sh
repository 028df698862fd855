#!/usr/bin/env bash
# What a Linux machine (x64) with a GPU and nothing else needs to run this benchmark: bench-gpu.tgz.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT
npx tsc -p bench/gpu/tsconfig.json --outDir "$to/skewflow"
mkdir -p "$to/skewflow/bench/peers" "$to/skewflow/lib" "$to/debs"
cp package.json package-lock.json "$to/skewflow"
cp bench/peers/*.py "$to/skewflow/bench/peers"
cp "$(command -v node)" "$to/skewflow/node"
(cd "$to/skewflow" && npm ci --omit=dev --ignore-scripts --silent)
find "$to/skewflow/node_modules/webgpu/dist" -mindepth 1 -maxdepth 1 ! -name linux-x64 -exec rm -rf {} +
# Dawn finds the GPU's driver through the Vulkan loader; NVIDIA's driver wants EGL and X11 beside it. Few servers have them.
packages=(libvulkan1 libegl1 libglvnd0 libgl1 libglx0 libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0)
if (cd "$to/debs" && apt-get download -q "${packages[@]}"); then
  for deb in "$to"/debs/*.deb; do dpkg -x "$deb" "$to/unpacked"; done
  find "$to/unpacked" -name 'lib*.so.*' -exec cp -P {} "$to/skewflow/lib" \;
else
  echo "pack: ${packages[*]} could not be fetched; bring them some other way" >&2
fi
tar czf bench-gpu.tgz -C "$to" skewflow
ls -l bench-gpu.tgz
