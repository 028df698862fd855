/**
 * Prints a whole program (forward and backward sweeps of sources and tracers) as one C file: the native peer for formulas
 * that nobody wrote by hand. Same kernels, same statements; what differs is who compiles them.
 *
 * Supported: fixed steps, one linear term at the end of time, no further sets, pairs or moments.
 *
 *   gcc -O3 -march=native -ffast-math -fopenmp peer.c -lm        ./a.out INPUT N M T STEP REPEATS forward|gradient
 *
 * INPUT holds float32: params, then sources (state rows, constant rows), then tracers (state planes, constant planes).
 */
import type { Kernel } from '../../src/kernels/ir/kernel.ts';
import { lower } from '../../src/kernels/lower/lower.ts';
import type { GroupProgram, Program, Statement, StepProgram } from '../../src/kernels/sweep/program.ts';
import { cKernel, scatterTables } from './c-kernel.ts';

const identifier = (s: string): string => s.replace(/\W/g, '_');

/** How a kernel's arguments are found in the scope of a call: bank, table and plane names ↦ C pointers. */
interface Binding {
  readonly stride: string;
  readonly rows: string;
  readonly time: string;
  readonly banks: Readonly<Record<string, string>>;
  readonly planes: Readonly<Record<string, string>>;
  readonly tables: Readonly<Record<string, string>>;
  readonly scatters: Readonly<Record<string, string>>;
  readonly rowSums: string;
}

function call(kernel: Kernel, b: Binding): string {
  const name = identifier(kernel.name);
  const find = (from: Readonly<Record<string, string>>, key: string): string => {
    const text = from[key];
    if (text === undefined) throw new Error(`the native peer has no ${key} for ${kernel.name}`);
    return text;
  };
  const fields = [
    `.stride = ${b.stride}`,
    ...kernel.banks.map((x, n) => `.bank_${n} = ${find(b.banks, x.name)}`),
    ...kernel.tables.map((x, n) => `.table_${n} = ${find(b.tables, x.name)}`),
    ...(kernel.tables.some((t) => t.over === 'sources') ? ['.count_sources = M'] : []),
    ...kernel.planes.map((x, n) => `.plane_${n} = ${find(b.planes, x.bank)}`),
    ...[...scatterTables(kernel)].map((n) => `.scatter_${n} = ${find(b.scatters, kernel.tables[n]!.name)}`),
    `.row_sums = ${b.rowSums}`,
  ];
  return `{ struct ${name}_args a = { ${fields.join(', ')} }; ${name}(${b.rows}, ${b.time}, params, &a); }`;
}

/** Banks a step works on besides the slots, each a C array. */
function temporaries(step: StepProgram): string[] {
  const names = new Set<string>(['z']);
  for (const s of [...step.forward, ...step.backward]) {
    const mentioned =
      s.kind === 'combine'
        ? [s.target.bank, ...s.terms.map((t) => t.bank)]
        : s.kind === 'flow'
          ? [s.slope]
          : [s.cotangent, s.result];
    for (const n of mentioned) if (!isSlot(n)) names.add(n);
  }
  return [...names];
}

/** Slots are kept for all steps; their adjoints (`slot1~`) are banks like any other. */
const isSlot = (name: string): boolean => /^slot\d+$/.test(name);

const bankName = (name: string): string =>
  isSlot(name)
    ? `slot(${name.slice(4)})`
    : `b_${Array.from(name, (c) => (/\w/.test(c) && c < '\u007f' ? c : `u${c.codePointAt(0)?.toString(16)}`)).join('')}`;

function statement(s: Statement, flow: (s: Exclude<Statement, { kind: 'combine' }>) => string): string {
  if (s.kind !== 'combine') return flow(s);
  const terms = s.terms.map((t) => {
    const factor = t.power === 1 ? `${t.coefficient.toPrecision(17)} * h` : t.coefficient.toPrecision(17);
    return `(float)(${factor}) * ${bankName(t.bank)}[(${t.start} + c) * stride + r]`;
  });
  return `for (int c = 0; c < ${s.target.width}; c++) for (int r = 0; r < stride; r++) ${bankName(s.target.bank)}[(${s.target.start} + c) * stride + r] = ${terms.join(' + ') || '0'};`;
}

/** One C file for the program. */
export function cProgram(program: Program): string {
  const { sources, tracers } = program;
  if (tracers === null) throw new Error('the native peer needs tracers');
  const term = program.terms[0]?.rows;
  if (
    program.terms.length !== 1 ||
    term === undefined ||
    term === null ||
    !term.linear ||
    term.vjp === null
  ) {
    throw new Error('the native peer takes one linear term');
  }
  const kernelOf = (fn: GroupProgram['flow'], own: 'sources' | 'tracers'): Kernel | null =>
    fn === null ? null : lower(fn, program.layout.of(own));
  const kernels = {
    sourceFlow: kernelOf(sources?.flow ?? null, 'sources'),
    sourceVjp: kernelOf(sources?.flowVjp ?? null, 'sources'),
    tracerFlow: kernelOf(tracers.flow, 'tracers'),
    tracerVjp: kernelOf(tracers.flowVjp, 'tracers'),
    term: lower(term.value, program.layout.of('tracers')),
    termVjp: lower(term.vjp, program.layout.of('tracers')),
  };
  const e = sources?.stateComponents ?? 0;
  const ec = sources?.constantComponents ?? 0;
  const d = tracers.stateComponents;
  const dc = tracers.constantComponents;
  const slots = program.slots;
  const paramCount = program.system.params.reduce((n, p) => n + p.width, 0);

  const tables = (slot: string): Record<string, string> => ({
    'sources.state': `table + ((size_t)k * ${slots} + ${slot}) * M * ${e}`,
    'sources.constant': 'source_constant',
  });
  const forward = (step: StepProgram, flow: Kernel, own: 'source' | 'tracer'): string[] =>
    step.forward.map((s) =>
      statement(s, (f) => {
        if (f.kind !== 'flow') throw new Error('a forward step has no transpose');
        const publish =
          own === 'source'
            ? `to_rows(slot(${f.slot}), table + ((size_t)k * ${slots} + ${f.slot}) * M * ${e}, ${e}, stride);`
            : '';
        return (
          publish +
          call(flow, {
            stride: 'stride',
            rows: 'stride',
            time: `(float)(t + ${f.fraction} * h)`,
            banks: { state: `slot(${f.slot})`, constant: 'constant' },
            planes: { slope: bankName(f.slope) },
            tables: tables(String(f.slot)),
            scatters: {},
            rowSums: 'row_sums',
          })
        );
      }),
    );
  const backward = (step: StepProgram, vjp: Kernel, own: 'source' | 'tracer'): string[] =>
    step.backward.map((s) =>
      statement(s, (f) => {
        if (f.kind !== 'flow-vjp') throw new Error('a backward step has transposes only');
        const c = call(vjp, {
          stride: 'stride',
          rows: 'stride',
          time: `(float)(t + ${f.fraction} * h)`,
          banks: { state: `slot(${f.slot})`, constant: 'constant', 'cotangent:slope': bankName(f.cotangent) },
          planes: { state: bankName(f.result), constant: 'ignored' },
          tables: tables(String(f.slot)),
          scatters: { 'sources.state': 'stage', 'sources.constant': 'constant_stage' },
          rowSums: 'row_sums',
        });
        const gamma = `gamma + ((size_t)k * ${slots} + ${f.slot}) * M * ${e}`;
        const after =
          own === 'tracer'
            ? `for (int n = 0; n < M * ${e}; n++) (${gamma})[n] += across(stage[n]);`
            : `for (int j = 0; j < M; j++) for (int c = 0; c < ${e}; c++) ${bankName(f.result)}[c * stride + j] += across(stage[j * ${e} + c]) + (${gamma})[j * ${e} + c];`;
        return e === 0 ? c : `memset(stage, 0, sizeof(vf) * M * ${e}); ${c} ${after}`;
      }),
    );
  const banksOf = (step: StepProgram, components: number): string[] =>
    temporaries(step).map((n) => `  float *${bankName(n)} = zeros((size_t)stride * ${components});`);
  const freeBanks = (step: StepProgram): string[] => temporaries(step).map((n) => `  free(${bankName(n)});`);

  const sourceStep = sources?.step ?? null;
  const tracerStep = tracers.step;
  if (tracerStep === null || kernels.tracerFlow === null || kernels.tracerVjp === null)
    throw new Error('the native peer needs a flow');
  const sourceCode =
    sourceStep === null || kernels.sourceFlow === null || kernels.sourceVjp === null
      ? [
          'static void sources_forward(void) {',
          `  for (size_t k = 0; k < (size_t)(T * ${slots} + 1); k++) memcpy(table + k * M * ${e}, source_state, sizeof(float) * M * ${e});`,
          '}',
          'static void sources_backward(float *gamma) { (void)gamma; }',
        ]
      : [
          'static float *source_slots;',
          `#define slot(s) (source_slots + ((size_t)k * ${slots} + s) * ${e} * stride)`,
          'static void sources_forward(void) {',
          '  int stride = MP; float *constant = source_planes; vf *row_sums = wide;',
          ...banksOf(sourceStep, e),
          `  to_planes(source_state, b_z, ${e}, stride);`,
          '  for (int k = 0; k < T; k++) {',
          '    double t = k * h;',
          ...forward(sourceStep, kernels.sourceFlow, 'source').map((l) => `    ${l}`),
          `    memcpy(b_z, ${bankName("z'")}, sizeof(float) * stride * ${e});`,
          '  }',
          `  to_rows(b_z, table + (size_t)T * ${slots} * M * ${e}, ${e}, stride);`,
          ...freeBanks(sourceStep),
          '}',
          'static void sources_backward(float *gamma) {',
          '  int stride = MP; float *constant = source_planes; vf *row_sums = wide; float *ignored = scratch;',
          `  vf *stage = vectors((size_t)M * ${Math.max(e, 1)}), *constant_stage = vectors((size_t)M * ${Math.max(ec, 1)});`,
          ...banksOf(sourceStep, e),
          `  to_planes(gamma + (size_t)T * ${slots} * M * ${e}, ${bankName('λ')}, ${e}, stride);`,
          `  for (int c = 0; c < ${e}; c++) for (int j = M; j < stride; j++) ${bankName('λ')}[c * stride + j] = 0;`,
          '  for (int k = T - 1; k >= 0; k--) {',
          '    double t = k * h; (void)t;',
          ...backward(sourceStep, kernels.sourceVjp, 'source').map((l) => `    ${l}`),
          '  }',
          `  for (int c = 0; c < ${e}; c++) for (int j = 0; j < M; j++) checksum += fabs(${bankName('λ')}[c * stride + j]);`,
          ...freeBanks(sourceStep),
          '  free(stage), free(constant_stage);',
          '}',
          '#undef slot',
        ];
  return [
    '#include "c-ops.h"',
    '#include <omp.h>',
    'static int N, M, MP, T; static double h, checksum;',
    'static float *params, *source_state, *source_constant, *source_planes, *tracer_state, *tracer_constant, *table, *scratch; static vf *wide;',
    'static float *zeros(size_t n) { n = (n * 4 + 63) / 64 * 64 + 64; float *p = aligned_alloc(64, n); memset(p, 0, n); return p; }',
    'static vf *vectors(size_t n) { return (vf *)zeros((n + 1) * LANES); }',
    'static void to_planes(const float *rows, float *planes, int e, int stride) { for (int c = 0; c < e; c++) for (int j = 0; j < stride; j++) planes[c * stride + j] = rows[(j < M ? j : M - 1) * e + c]; }',
    'static void to_rows(const float *planes, float *rows, int e, int stride) { for (int j = 0; j < M; j++) for (int c = 0; c < e; c++) rows[j * e + c] = planes[c * stride + j]; }',
    ...Object.values(kernels).flatMap((k) => (k === null ? [] : [cKernel(k)])),
    ...sourceCode,
    `#define slot(s) (slots + ((size_t)k * ${slots} + s) * ${d} * stride)`,
    'static double tracers(int want_gradient, float *all_gamma) {',
    `  size_t gn = (size_t)(T * ${slots} + 1) * M * ${e}; double loss = 0; int blocks = (N + 255) / 256;`,
    '  if (want_gradient) memset(all_gamma, 0, sizeof(float) * gn);',
    '#pragma omp parallel reduction(+ : loss)',
    '{',
    '  const int stride = 256; float *ignored = zeros(256 * 64), *terms = zeros(256);',
    `  float *slots = zeros((size_t)T * ${slots} * ${d} * stride), *constant = zeros((size_t)stride * ${Math.max(dc, 1)}), *seed = zeros(256), *term_state = zeros((size_t)stride * ${d});`,
    `  vf *stage = vectors((size_t)M * ${Math.max(e, 1)}), *constant_stage = vectors((size_t)M * ${Math.max(ec, 1)}), *row_sums = vectors(64);`,
    '  float *gamma = zeros(gn);',
    ...banksOf(tracerStep, d),
    '#pragma omp for schedule(dynamic)',
    '  for (int block = 0; block < blocks; block++) {',
    '    int real = N - block * 256 < 256 ? N - block * 256 : 256;',
    `    for (int c = 0; c < ${d}; c++) for (int r = 0; r < 256; r++) b_z[c * 256 + r] = tracer_state[(size_t)c * N + block * 256 + (r < real ? r : real - 1)];`,
    `    for (int c = 0; c < ${dc}; c++) for (int r = 0; r < 256; r++) constant[c * 256 + r] = tracer_constant[(size_t)c * N + block * 256 + (r < real ? r : real - 1)];`,
    '    for (int k = 0; k < T; k++) {',
    '      double t = k * h; (void)t;',
    ...forward(tracerStep, kernels.tracerFlow, 'tracer').map((l) => `      ${l}`),
    `      memcpy(b_z, ${bankName("z'")}, sizeof(float) * stride * ${d});`,
    '    }',
    '    { int k = T;',
    `      ${call(kernels.term, { stride: 'stride', rows: 'stride', time: '(float)(T * h)', banks: { state: 'b_z', constant: 'constant' }, planes: { terms: 'terms' }, tables: tables('0'), scatters: {}, rowSums: 'row_sums' })}`,
    '      for (int r = 0; r < real; r++) loss += terms[r];',
    '      if (want_gradient) {',
    '        for (int r = 0; r < 256; r++) seed[r] = r < real;',
    `        ${call(kernels.termVjp, { stride: 'stride', rows: 'stride', time: '(float)(T * h)', banks: { state: 'b_z', constant: 'constant', 'cotangent:terms': 'seed' }, planes: { state: bankName('λ'), constant: 'ignored' }, tables: tables('0'), scatters: { 'sources.state': 'stage', 'sources.constant': 'constant_stage' }, rowSums: 'row_sums' })}`,
    '      }',
    '    }',
    '    if (want_gradient) for (int k = T - 1; k >= 0; k--) {',
    '      double t = k * h; (void)t;',
    ...backward(tracerStep, kernels.tracerVjp, 'tracer').map((l) => `      ${l}`),
    '    }',
    '  }',
    '#pragma omp critical',
    '  for (size_t n = 0; want_gradient && n < gn; n++) all_gamma[n] += gamma[n];',
    ...freeBanks(tracerStep),
    '  free(slots), free(constant), free(seed), free(term_state), free(stage), free(constant_stage), free(row_sums), free(gamma), free(ignored), free(terms);',
    '}',
    '  return loss;',
    '}',
    'int main(int argc, char **argv) {',
    '  if (argc < 8) return 2;',
    '  N = atoi(argv[2]), M = atoi(argv[3]), T = atoi(argv[4]), h = atof(argv[5]); int repeats = atoi(argv[6]), want = !strcmp(argv[7], "gradient");',
    '  MP = (M + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);',
    `  params = zeros(${paramCount}), source_state = zeros((size_t)M * ${e}), source_constant = zeros((size_t)M * ${ec}), tracer_state = zeros((size_t)N * ${d}), tracer_constant = zeros((size_t)N * ${dc});`,
    '  FILE *f = fopen(argv[1], "rb"); size_t got = 0;',
    `  got += fread(params, 4, ${paramCount}, f), got += fread(source_state, 4, (size_t)M * ${e}, f), got += fread(source_constant, 4, (size_t)M * ${ec}, f), got += fread(tracer_state, 4, (size_t)N * ${d}, f), got += fread(tracer_constant, 4, (size_t)N * ${dc}, f);`,
    `  table = zeros((size_t)(T * ${slots} + 1) * M * ${e}), source_planes = zeros((size_t)MP * ${Math.max(ec, 1)}), scratch = zeros((size_t)MP * ${Math.max(ec, e, 1)}), wide = vectors(64);`,
    sourceStep === null ? '' : `  source_slots = zeros((size_t)T * ${slots} * ${e} * MP);`,
    `  if (${ec}) to_planes(source_constant, source_planes, ${ec}, MP);`,
    `  float *gamma = zeros((size_t)(T * ${slots} + 1) * M * ${e}); double *times = malloc(sizeof(double) * repeats), loss = 0;`,
    '  for (int r = -1; r < repeats; r++) {',
    '    double begin = seconds(); checksum = 0;',
    '    sources_forward(); loss = tracers(want, gamma); if (want) sources_backward(gamma);',
    '    if (r >= 0) times[r] = seconds() - begin;',
    '  }',
    '  qsort(times, repeats, sizeof(double), by_value);',
    `  double total = 0; for (size_t n = 0; n < (size_t)(T * ${slots} + 1) * M * ${e}; n++) total += fabs(gamma[n]);`,
    '  printf("{ \\"seconds\\": %.9g, \\"loss\\": %.9g, \\"gamma\\": %.9g, \\"check\\": %.9g }\\n", times[repeats / 2], loss, total, checksum);',
    '  return 0;',
    '}',
    '',
  ].join('\n');
}
