/** Placeholder until the records are here. */
export type OpName = string;
