/**
 * In which order do the test files of a group begin? Those that take long before all others, so that none of them runs alone at
 * the end while a core is idle. Vitest knows how long files took on this machine; a fresh clone knows only their sizes, and the
 * drills, which take longest, are short to read.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { root } from './build.ts';
import { longest } from './longest-files.ts';

const ranks: ReadonlyMap<string, number> = new Map(longest.map((path, n) => [`${root}${path}`, n]));

/** Vitest's own order, which keeps groups and projects together, with the longest files first in each project. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project))];
    const rankOf = ({ moduleId }: TestSpecification): number => ranks.get(moduleId) ?? longest.length;
    return projects.flatMap((project) =>
      sorted.filter((file) => file.project === project).sort((a, b) => rankOf(a) - rankOf(b)),
    );
  }
}
