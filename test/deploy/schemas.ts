/**
 * Does an object have only fields that its kind has, of the right types? The compiler is asked: the models' types are the
 * API's schema, and an object literal with a field too many does not compile.
 */
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type { Manifest } from './rendered.ts';

/** Kinds that a package of models knows: module and interface. */
function modelOf({ apiVersion, kind }: Manifest): { readonly module: string; readonly type: string } | null {
  const module = apiVersion.startsWith('keda.sh/')
    ? `@kubernetes-models/keda/${apiVersion}`
    : `kubernetes-models/${apiVersion}`;
  // Kueue's kinds have no models for this version of Node; a real API server has seen them (deploy/README.md).
  if (apiVersion.startsWith('kueue.')) return null;
  return { module, type: `I${kind}` };
}

/** Validates an object's values by the models' own schema. */
export async function validate(object: Manifest): Promise<void> {
  const model = modelOf(object);
  if (model === null) return;
  const { [object.kind]: Model } = (await import(model.module)) as Record<
    string,
    new (
      data: unknown,
    ) => { readonly validate: () => void }
  >;
  if (Model === undefined) throw new Error(`${model.module} has no ${object.kind}`);
  new Model(object).validate();
}

/**
 * What the models know of an object. Those of KEDA that run on Node 20 end before 2.12, which brought `scalingModifiers`;
 * `scaling.test.ts` evaluates that part, and a real API server has validated it against KEDA's own definition.
 */
function modelled(object: Manifest): Manifest {
  if (object.kind !== 'ScaledObject') return object;
  const { advanced, ...spec } = object.spec as { advanced: Record<string, unknown> };
  const { scalingModifiers: _newer, ...known } = advanced;
  return { ...object, spec: { ...spec, advanced: known } };
}

/** What the compiler says of objects, as `kind/name: message`; empty when every field is one that the API has. */
export function unknownFields(objects: readonly Manifest[]): readonly string[] {
  const file = fileURLToPath(new URL('rendered-objects.ts', import.meta.url));
  const known = objects.flatMap((object) => {
    const model = modelOf(object);
    return model === null ? [] : [{ object, model }];
  });
  // One line an object, so that a line of the report is an object.
  const text = known
    .map(
      ({ object, model }, n) =>
        `export const o${n}: import('${model.module}').${model.type} = ${JSON.stringify(modelled(object))};`,
    )
    .join('\n');
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    target: ts.ScriptTarget.ES2022,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const plain = { ...host };
  host.fileExists = (name) => name === file || plain.fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file
      ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022)
      : plain.getSourceFile(name, ...rest);
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const line =
      diagnostic.file === undefined
        ? -1
        : diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line;
    const { object } = known[line] ?? {};
    const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
    return `${object?.kind}/${object?.metadata.name}: ${message}`;
  });
}
