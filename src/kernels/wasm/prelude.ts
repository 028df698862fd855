/** Names of the inlined WASM expansions of operations that are no single instruction. */
export type PreludeName = string;
