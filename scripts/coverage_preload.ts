/**
 * Preload of the processes of a run with coverage. V8 has begun to count in a process that runs tests by now; the threads and processes that
 * its tests start are left out: each of their thousand would write a megabyte, which takes longer to merge than the tests to run.
 */
const startsOthersThatRunTests = process.argv.includes("--parallel");
if (!startsOthersThatRunTests) delete process.env["NODE_V8_COVERAGE"];
