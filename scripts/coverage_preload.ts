/**
 * Preload of the process of a run with coverage. V8 counts in it by now; the threads and processes that its tests start are left out: each of
 * their thousand would write a megabyte, which takes longer to merge than the tests to run.
 */
delete process.env["NODE_V8_COVERAGE"];
