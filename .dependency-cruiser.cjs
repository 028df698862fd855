/**
 * The import boundaries of ARCHITECTURE.md, one rule a room:
 *
 *   errors ← kernels ← job ← partition ← protocol ← exchange ← { coordinator | worker } ← index ← cli
 *
 * arrays is used by worker, coordinator (results) and job (shapes).
 */
const room = (name) => `^src/${name}/`;
const file = (name) => `^src/${name}\\.ts$`;
const only = (from, allowed) => ({
  name: `${from.replace(/\W/g, '')}-imports`,
  severity: 'error',
  from: { path: from },
  to: { path: '^src/', pathNot: [from, file('errors'), file('version'), ...allowed] },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    only(file('errors'), []),
    only(room('kernels'), []),
    {
      name: 'kernels-are-pure',
      comment: 'kernels/ runs wherever JavaScript runs: no node: module and no npm package',
      severity: 'error',
      from: { path: room('kernels') },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-peer'] },
    },
    // Bytes in a bucket, which arrays and results lie in.
    only(room('objects'), []),
    only(room('arrays'), [room('objects')]),
    only(room('job'), [room('kernels'), room('arrays')]),
    only(room('partition'), [room('kernels'), room('job')]),
    only(file('protocol'), [room('kernels'), room('job'), room('partition')]),
    only(room('storage'), [room('arrays'), room('objects')]),
    only(room('exchange'), [file('protocol'), file('config'), file('log'), room('job'), room('partition')]),
    only(room('coordinator'), [
      file('abort'),
      room('kernels'),
      room('job'),
      room('partition'),
      file('protocol'),
      room('exchange'),
      room('arrays'),
      room('telemetry'),
      room('storage'),
      file('row-arrays'),
      file('room-for-results'),
      file('order'),
      file('connect'),
      file('optimization'),
      room('plot'),
      file('prepare'),
      file('config'),
      file('log'),
    ]),
    only(room('worker'), [
      file('abort'),
      room('kernels'),
      room('job'),
      room('partition'),
      file('protocol'),
      room('exchange'),
      room('arrays'),
      room('telemetry'),
      room('storage'),
      room('objects'),
      file('row-arrays'),
      file('order'),
      file('connect'),
      file('prepare'),
      file('config'),
      file('log'),
    ]),
    // What a job would do and whether it is right, asked of the same parts that run it.
    only(room('inspect'), [
      room('kernels'),
      room('job'),
      room('partition'),
      room('arrays'),
      room('worker'),
      room('coordinator'),
      file('protocol'),
      file('prepare'),
      file('config'),
    ]),
    // Pictures of results: a history, and the arrays of a folder.
    only(room('plot'), [room('coordinator'), room('arrays')]),
    // What a process tells of itself; it knows nothing of runs.
    only(room('telemetry'), []),
    only(file('connect'), [room('exchange'), file('config'), file('log')]),
    only(file('order'), [room('exchange'), room('job'), room('storage'), room('objects')]),
    only(file('row-arrays'), [
      room('arrays'),
      room('job'),
      room('kernels'),
      room('partition'),
      file('protocol'),
    ]),
    // What a user of a fleet does: jobs out, results back.
    only(room('client'), [
      room('arrays'),
      room('objects'),
      room('job'),
      room('exchange'),
      room('storage'),
      room('coordinator'),
      room('worker'),
      file('protocol'),
      file('prepare'),
      file('room-for-results'),
      file('order'),
      file('connect'),
      file('run'),
      file('config'),
      file('log'),
    ]),
    only(file('examples'), [room('arrays')]),
    {
      name: 'cli-uses-the-public-api',
      comment: 'a command has no logic of its own: argv → index.ts → text',
      severity: 'error',
      from: { path: room('cli') },
      to: {
        path: '^src/',
        pathNot: [room('cli'), file('index'), file('errors'), file('config'), file('log')],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
  },
};
