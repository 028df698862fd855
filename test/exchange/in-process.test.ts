import { inProcessExchange } from '../../src/exchange/in-process.ts';
import { describeExchange } from './contract.ts';

describeExchange({ name: 'in-process', open: async () => inProcessExchange({ retain: true }) });
