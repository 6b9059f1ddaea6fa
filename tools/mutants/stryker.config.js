/**
 * One-line changes to a room's sources, each of which a fast test of that room has to notice: `make mutants ROOM=facts`. With fewer of its
 * tests (`TESTS`) a run is shorter, and its score at most what all of them reach.
 */
const { ROOM: room = "decision", FILES: files = "*", TESTS: tests = "**/*" } = process.env;

export default {
  testRunner: "mocha",
  plugins: ["@stryker-mutator/mocha-runner", "./tools/mutants/sentences.js"],
  ignorers: ["sentences"],
  // What a module's load alone evaluates (schemas, tables) takes every test of the room for each change.
  ignoreStatic: true,
  mutate: [`src/${room}/${files}.ts`],
  mochaOptions: { "no-config": true, spec: [`dist/test/${room}/${tests}.test.js`], ignore: ["dist/test/**/*.long.test.js"] },
  buildCommand: "node dist/scripts/transpile.js",
  ignorePatterns: [".git", ".work", "bench/results", "coverage", "packages/*/dist", "tools"],
  coverageAnalysis: "perTest",
  tempDirName: ".work/mutants",
  timeoutMS: 8000,
  allowConsoleColors: false,
  reporters: ["clear-text", "json"],
  jsonReporter: { fileName: `.work/mutants-${room}.json` },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
};
