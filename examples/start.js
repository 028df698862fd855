/**
 * What `npm start` shows: KeOps issue 301's job with its answer, then vortices stirring dye, and their pictures.
 *
 * Results and pictures go to examples/<name>/<name>-out, replaced by the next start.
 */
import { join, relative } from 'node:path';

const skewflow = await import('skewflow').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.error('skewflow is not built here yet: `npm ci` builds it, and so does `npm run build`');
  process.exit(1);
});
const { explain, explainText, run } = skewflow;

/** Run an example, draw its picture, and return the result. */
async function show(name) {
  const folder = join(import.meta.dirname, name);
  const out = join(folder, `${name}-out`);
  const result = await run(join(folder, 'job.yaml'), { out, force: true });
  const picture = join(out, 'picture.svg');
  const drawn = await import(`./${name}/picture.js`);
  drawn.picture(out, picture);
  for (const line of lines(result, picture)) console.log(`  ${line}`);
  console.log();
  return result;
}

function lines({ summary }, picture) {
  const { loss, gradientNorms, timings, pairs, threads, engine, precision } = summary;
  const norms = Object.entries(gradientNorms).map(([field, norm]) => `|dL/d${field}| = ${digits(norm)}`);
  const seconds = timings.evaluate.toFixed(2);
  return [
    `loss      ${digits(loss)}`,
    `gradient  ${norms.join('   ')}`,
    `time      ${seconds} s for loss and gradient, threads and compilation included: ${digits(pairs / 1e6)} million pairs, ${engine} ${precision}, ${threads} thread${threads === 1 ? '' : 's'}`,
    `picture   ${relative('.', picture)}`,
  ];
}

const digits = (x) => String(Number(x.toPrecision(6)));

console.log(
  'KeOps issue 301: a few coupled points carry many independent ones (examples/issue-301/job.yaml)\n',
);
await show('issue-301');
const explanation = await explain(join(import.meta.dirname, 'issue-301/job.yaml'));
console.log(explainText(explanation, ['jacobian', 'dense']));

console.log('Point vortices stir a square of dye (examples/vortices/job.yaml)\n');
await show('vortices');

console.log(
  'Next: node bin/skewflow.js explain examples/issue-301/job.yaml, or your own job file: README.md',
);
