/**
 * How the statements of a step are printed: banks as names in single assignment.
 *
 * A bank's component is a `let` once it is written; what is read before it is written comes from where the bank lives.
 */
import { invariant } from '../../errors.ts';
import type { CombineStatement, Statement } from '../sweep/program.ts';
import { code, real, whole } from './code.ts';

export interface Registers {
  /** An expression for component c of a bank. */
  readonly read: (bank: string, component: number) => string;
  /** A statement that gives it a value. */
  readonly write: (bank: string, component: number, value: string) => string;
  /** What has been written since the registers were made. */
  readonly written: () => readonly {
    readonly bank: string;
    readonly component: number;
    readonly name: string;
  }[];
}

/**
 * Registers over a home: where a bank is read that has not been written here. `let`: a name for each value;
 * `assign`: variables declared elsewhere (`written`), for statements that stand in different cases of a switch. `suffix`: of
 * the row, where a thread has several.
 */
export function registers(
  home: (bank: string, component: number) => string | null,
  form: 'assign' | 'let' = 'let',
  suffix = '',
): Registers {
  const names = new Map<string, { bank: string; component: number; name: string }>();
  const counts = new Map<string, number>();
  return {
    read: (bank, component) => {
      const known = names.get(`${bank} ${component}`)?.name ?? home(bank, component);
      invariant(known !== null, `bank ${bank} is written before it is read`);
      return known;
    },
    write: (bank, component, value) => {
      const key = `${bank} ${component}`;
      const count = counts.get(key) ?? 0;
      counts.set(key, count + 1);
      const plain = `${nameOf(bank)}_${component}${suffix}`;
      const name = count === 0 || form === 'assign' ? plain : `${plain}_${count}`;
      names.delete(key);
      names.set(key, { bank, component, name });
      return form === 'let' ? `let ${name} = ${value};` : `${name} = ${value};`;
    },
    written: () => [...names.values()],
  };
}

/** `z'` ↦ `z_next`, `slot0~` ↦ `slot0_bar`. */
const nameOf = (bank: string): string => bank.replace("'", '_next').replace('~', '_bar');

/** target = Σ coefficient · h^power · bank, component by component. */
export function combineLines(statement: CombineStatement, r: Registers): readonly string[] {
  const { target, terms } = statement;
  const values = Array.from({ length: target.width }, (_, c) =>
    terms.map((t) => {
      const bank = r.read(t.bank, t.start + c);
      if (t.power === 0) return t.coefficient === 1 ? bank : `${real(t.coefficient)} * ${bank}`;
      return t.coefficient === 1 ? `h * ${bank}` : `${real(t.coefficient)} * h * ${bank}`;
    }),
  );
  return values.map((v, c) => r.write(target.bank, target.start + c, v.length === 0 ? '0f' : v.join(' + ')));
}

/** All components of a bank as an array. */
export function arrayOf(r: Registers, bank: string, width: number): string {
  const all = Array.from({ length: width }, (_, c) => r.read(bank, c));
  return `array<f32, ${width}>(${all.join(', ')})`;
}

/** Statements cut at the flows: what is computed before each of them, and what after the last. */
export interface Stages<F extends Statement> {
  readonly stages: readonly { readonly before: readonly CombineStatement[]; readonly flow: F }[];
  readonly after: readonly CombineStatement[];
}

export function stagesOf<K extends 'flow' | 'flow-vjp'>(
  statements: readonly Statement[],
  kind: K,
): Stages<Extract<Statement, { kind: K }>> {
  const stages: { before: CombineStatement[]; flow: Extract<Statement, { kind: K }> }[] = [];
  let before: CombineStatement[] = [];
  for (const s of statements) {
    if (s.kind === 'combine') {
      before.push(s);
      continue;
    }
    invariant(s.kind === kind, 'a step goes forward or backward');
    stages.push({ before, flow: s as Extract<Statement, { kind: K }> });
    before = [];
  }
  return { stages, after: before };
}

/** `switch` over the stages of a step; the only case is printed as it is. */
export function casesOf(stage: string, bodies: readonly string[]): string {
  const [only] = bodies;
  if (bodies.length <= 1) return only ?? '';
  return code`
    switch (${stage}) {
      ${bodies.map(
        (body, n) => code`
        ${n + 1 === bodies.length ? 'default' : `case ${whole(n)}`}: {
          ${body}
        }
      `,
      )}
    }
  `;
}
