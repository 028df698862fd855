/** A module's bytes as the text another assembler reads them as, validated. */
import wabtModule from 'wabt';

const wabt = await wabtModule();
const features = { simd: true, threads: true, bulk_memory: true, relaxed_simd: true, sat_float_to_int: true };

export function disassembled(bytes: Uint8Array): string {
  const module = wabt.readWasm(bytes, { ...features, readDebugNames: true });
  // The types leave out that validation takes the features, too.
  (module as { validate: (enabled: object) => void }).validate(features);
  return module.toText({ foldExprs: false, inlineExport: true });
}
