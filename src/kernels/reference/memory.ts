/** What a row function reads and leaves in the reference evaluator: plain arrays of doubles, row-major. */

export interface RowInputs {
  /** Own rows. */
  readonly rows: number;
  /** Number of the first own row: what `index` counts from. */
  readonly firstRow: number;
  readonly time: number;
  /** Own values by bank name, rows × components. */
  readonly banks: ReadonlyMap<string, Float64Array>;
  /** Rows of the sources and sets by table name, rows × columns. */
  readonly tables: ReadonlyMap<string, Float64Array>;
  /** Number of rows of the sources ('sources') or a set. */
  readonly count: (over: string) => number;
  /** Weights by pair field, M × M × components. */
  readonly pairs: ReadonlyMap<string, Float64Array>;
  readonly params: Float64Array;
  /** The vector of sums of a non-linear term at one time. */
  readonly sums: Float64Array;
}

export interface RowResults {
  /** By plane name, rows × components. */
  readonly planes: ReadonlyMap<string, Float64Array>;
  /** Added over the rows, in the places of `params` and of the sums. */
  readonly params: Float64Array;
  readonly sums: Float64Array;
  /** Added to the rows of a table, by table name; to weights, by pair field. */
  readonly tables: ReadonlyMap<string, Float64Array>;
  readonly pairs: ReadonlyMap<string, Float64Array>;
  /** Own row × bound row visits. */
  readonly visits: number;
}
