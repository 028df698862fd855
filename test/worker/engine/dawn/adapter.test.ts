import { describe, expect, test } from 'vitest';
import {
  isSoftware,
  onlyAt,
  readDawnList,
  readMesaList,
} from '../../../../src/worker/engine/dawn/adapter.ts';

describe('what Dawn says when it cannot find an adapter', () => {
  test('is read as one entry a line', () => {
    const message = `no adapter with backend 'vulkan' and name '(none has this name)' found
Available adapters:
 * backend: 'vulkan', name: 'NVIDIA GeForce RTX 4090'
 * backend: 'vulkan', name: 'NVIDIA GeForce RTX 4090'
 * backend: 'opengl', name: 'Mesa's own, (LLVM 15.0.6, 256 bits)'
 * backend: 'null', name: 'Null backend'`;
    expect(readDawnList(message)).toEqual([
      { backend: 'vulkan', name: 'NVIDIA GeForce RTX 4090' },
      { backend: 'vulkan', name: 'NVIDIA GeForce RTX 4090' },
      { backend: 'opengl', name: "Mesa's own, (LLVM 15.0.6, 256 bits)" },
      { backend: 'null', name: 'Null backend' },
    ]);
  });

  test('is read as nothing where there is none', () => {
    expect(readDawnList('no suitable backends found\nAvailable adapters:')).toEqual([]);
  });
});

describe('what Mesa’s device-select layer lists', () => {
  test('is read with the address on the bus, where there is one', () => {
    const text = `Warning: something else
selectable devices:
  GPU 0: 10de:2684 "NVIDIA GeForce RTX 4090" discrete GPU 0000:65:00.0
  GPU 1: 10de:2684 "NVIDIA GeForce RTX 4090" discrete GPU 0000:b3:00.0
  GPU 2: 8086:a780 "Intel(R) UHD Graphics 770 (RPL-S)" integrated GPU 0000:00:02.0
  GPU 3: 10005:0 "llvmpipe (LLVM 15.0.6, 256 bits)" CPU
  GPU 4: 1af4:1050 "Virtio-GPU Venus (x)" virtual GPU 0000:00:01.1
`;
    expect(readMesaList(text)).toEqual([
      { name: 'NVIDIA GeForce RTX 4090', address: '0000:65:00.0' },
      { name: 'NVIDIA GeForce RTX 4090', address: '0000:b3:00.0' },
      { name: 'Intel(R) UHD Graphics 770 (RPL-S)', address: '0000:00:02.0' },
      { name: 'llvmpipe (LLVM 15.0.6, 256 bits)', address: null },
      { name: 'Virtio-GPU Venus (x)', address: '0000:00:01.1' },
    ]);
  });
});

test('a GPU is chosen by its address alone', () => {
  expect(onlyAt('0000:65:00.0')).toEqual({ DRI_PRIME: 'pci-0000_65_00_0!' });
});

test.each([
  ['NVIDIA GeForce RTX 4090', 'ada', false, false],
  ['Apple M2 Max', 'metal-3', false, false],
  ['AMD Radeon RX 7900 XTX (RADV NAVI31)', 'rdna-3', false, false],
  ['llvmpipe (LLVM 15.0.6, 256 bits)', 'software', true, true],
  ['llvmpipe (LLVM 15.0.6, 256 bits)', '', false, true],
  ['SwiftShader Device (Subzero)', 'swiftshader', false, true],
  ['Microsoft Basic Render Driver', '', false, true],
  ['a driver that says so', '', true, true],
])('%s (%s, fallback: %s) is software: %s', (name, architecture, isFallbackAdapter, software) => {
  expect(isSoftware({ name, architecture, isFallbackAdapter })).toBe(software);
});
