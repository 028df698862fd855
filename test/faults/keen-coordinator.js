/** Which coordinator keeps the answers of a long iteration every two seconds, where others do every thirty? One for drills that are short. */
import { CoordinatorService } from '../../dist/coordinator/service.js';
import { logTo } from '../../dist/log.js';

await CoordinatorService.start({
  storage: process.env['SKEWFLOW_STORAGE'],
  rules: { checkpointMs: 2000 },
  log: logTo('info'),
});
