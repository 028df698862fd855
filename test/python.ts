/** A Python that has a module, for tests that hold this project against what others wrote. */
import { execFileSync } from 'node:child_process';

/**
 * The first of `SKEWFLOW_TEST_PYTHON` and `python3` that can import the module; null: none, and tests skip with a reason.
 */
export function pythonWith(module: string): string | null {
  const candidates = [process.env['SKEWFLOW_TEST_PYTHON'] ?? '', 'python3'].filter((path) => path !== '');
  const found = candidates.find((path) => {
    try {
      execFileSync(path, ['-c', `import ${module}`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  return found ?? null;
}
