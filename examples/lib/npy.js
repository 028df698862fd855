/** Reading and writing .npy and (stored) .npz in a screenful, for the example scripts. */
import { readFileSync, writeFileSync } from 'node:fs';

/** The bytes of a .npy. */
function npy(data, shape) {
  const descr = data instanceof Float32Array ? '<f4' : '<f8';
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const header = `${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([
    head,
    Buffer.from(header),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

/** Write `data` (Float32Array or Float64Array) of that shape. */
export const writeNpy = (path, data, shape) => writeFileSync(path, npy(data, shape));

/** Write { name: { data, shape } } as a .npz with stored entries. */
export function writeNpz(path, arrays) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, { data, shape }] of Object.entries(arrays)) {
    const bytes = npy(data, shape);
    const entry = Buffer.from(`${name}.npy`);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // version needed
    common.writeUInt16LE(0x21, 8); // 1980-01-01
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(entry.length, 22);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(offset, 10);
    parts.push(Buffer.from('PK\x03\x04'), common, entry, bytes);
    directory.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), common, central, entry);
    offset += 30 + entry.length + bytes.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  for (const at of [8, 10]) end.writeUInt16LE(Object.keys(arrays).length, at);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  writeFileSync(path, Buffer.concat([...parts, listing, end]));
}

/** CRC-32 of zip (reflected polynomial edb88320). */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** → { shape, data: Float64Array } from the bytes of a .npy in f4 or f8. */
function parseNpy(bytes) {
  const headerBytes = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + headerBytes);
  const shape = header
    .match(/'shape': \(([^)]*)\)/)[1]
    .split(',')
    .filter((s) => s.trim())
    .map(Number);
  const wide = header.includes("'<f8'");
  const count = shape.reduce((a, b) => a * b, 1);
  const data = new Float64Array(count);
  const at = 10 + headerBytes;
  for (let i = 0; i < count; i++)
    data[i] = wide ? bytes.readDoubleLE(at + 8 * i) : bytes.readFloatLE(at + 4 * i);
  return { shape, data };
}

export const readNpy = (path) => parseNpy(readFileSync(path));

/** → { name: { shape, data } } of a .npz whose entries are stored, as skewflow and numpy.savez write them. */
export function readNpz(path) {
  const zip = readFileSync(path);
  let end = zip.length - 22;
  while (zip.readUInt32LE(end) !== 0x06054b50) end--;
  const arrays = {};
  let at = zip.readUInt32LE(end + 16);
  for (let n = zip.readUInt16LE(end + 10); n > 0; n--) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((o) => zip.readUInt16LE(at + o));
    const bytes = zip.readUInt32LE(at + 20);
    const local = zip.readUInt32LE(at + 42);
    const begin = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const name = zip.toString('utf8', at + 46, at + 46 + nameBytes).replace(/\.npy$/, '');
    arrays[name] = parseNpy(zip.subarray(begin, begin + bytes));
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return arrays;
}
