/** Skipping a test with its reason, which the end of a run prints. */

/** Skips the running test, or in a hook all tests of its suite. `why` completes "skipped: ". */
export function skip(context: Mocha.Context, why: string): never {
  const running = context.test;
  const mark = (test: Mocha.Runnable): void => {
    test.title += ` (skipped: ${why})`;
  };
  if (running?.parent !== undefined && running.title.startsWith('"before all"')) running.parent.eachTest(mark);
  else if (running !== undefined) mark(running);
  return context.skip();
}
