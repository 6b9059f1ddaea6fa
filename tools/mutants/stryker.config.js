/**
 * One-line changes to a room's sources, each of which a fast test of that room has to notice: `make mutants ROOM=facts`. With fewer of its
 * tests (`TESTS=flights,admission`) a run is shorter, and its score at most what all of them reach.
 */
const { ROOM: room = "decision", FILES: files = "*", TESTS: tests = "**/*" } = process.env;

/** Makes the room's sources newer than all that was built; runs in a copy of the tree. */
const touched = `find dist -name '*.js' -exec touch {} + && find src/${room} -name '*.ts' -exec touch {} + && node dist/scripts/transpile.js`;

export default {
  testRunner: "mocha",
  plugins: ["@stryker-mutator/mocha-runner", "./tools/mutants/sentences.js"],
  ignorers: ["sentences"],
  // What a module's load alone evaluates (schemas, tables) takes every test of the room for each change.
  ignoreStatic: true,
  // What is generated is compared with its generator, byte by byte: any change is noticed, and so are the marks that changes need.
  mutate: [`src/${room}/${files}.ts`, "!src/decision/canonical_texts.ts"],
  mochaOptions: {
    "no-config": true,
    spec: tests.split(",").map((test) => `dist/test/${room}/${test}.test.js`),
    ignore: ["dist/test/**/*.long.test.js"],
  },
  // A copy has new times everywhere: only the room's sources are translated, which are those that were changed.
  buildCommand: `sh -c ${touched.replaceAll(" ", "\\ ")}`,
  // Nothing looks at types here, and tests compare sources with what generates them.
  disableTypeChecks: false,
  ignorePatterns: [".git", ".work", "bench/results", "coverage", "packages/*/dist", "tools"],
  coverageAnalysis: "perTest",
  tempDirName: ".work/mutants",
  timeoutMS: 8000,
  allowConsoleColors: false,
  reporters: ["clear-text", "json"],
  jsonReporter: { fileName: `.work/mutants-${room}.json` },
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
};
