/** Peak memory of one gradient in a process of its own: tsx bench/peak-memory.ts N → bytes. */
import { lddmm } from './jobs.ts';
import { warm } from './warm.ts';

await using job = await warm(lddmm(Number(process.argv[2]), 100, 20), 2);
await job.evaluate('gradient');
process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);
