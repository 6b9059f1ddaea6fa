/**
 * Preload of each process of a run with coverage. V8 counts in it by now; the threads and processes that its tests start are left out: each
 * of their thousand would write a megabyte, which takes longer to merge than the tests to run.
 */
const startsWorkers = process.argv.includes("--parallel");
if (!startsWorkers) {
  delete process.env["NODE_V8_COVERAGE"];
  // The pool ends a worker that needs over a second to exit, and writing what was counted takes longer.
  process.on("SIGTERM", () => undefined);
}
