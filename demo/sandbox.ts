/** A service's surroundings in one folder, for `make run`, the demo, benchmarks and tests. */
export * from "../src/service/sandbox.js";
