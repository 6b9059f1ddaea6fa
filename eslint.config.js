import tseslint from "typescript-eslint";

// Runs must be reproducible from one seed (docs/architecture.md): the clock, timers and randomness come in through
// src/system, so a test can move them and a simulation can replay them.
const OUTSIDE_WORLD = [
  ["Date", "now", "take a Clock from src/system"],
  ["performance", "now", "take a Clock from src/system"],
  ["process", "hrtime", "take a Clock from src/system"],
  ["Math", "random", "take a Random from src/system"],
].map(([object, property, message]) => ({ object, property, message }));
const TIMERS = ["setTimeout", "setInterval", "setImmediate"].map((name) => ({
  name,
  message: "take Timers from src/system",
}));

export default tseslint.config(
  {
    ignores: [
      "deploy/",
      "dist/",
      "coverage/",
      ".work/",
      "node_modules/",
      "eslint.config.js",
      "tools/",
      "bench/compat/*.mjs",
      "packages/python/",
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      eqeqeq: "error",
    },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/system/**", "src/client/outside.ts"],
    rules: {
      "no-restricted-properties": ["error", ...OUTSIDE_WORLD],
      "no-restricted-globals": ["error", ...TIMERS],
      "no-restricted-syntax": [
        "error",
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: "take a Clock from src/system" },
      ],
    },
  },
  {
    files: ["src/console/page/**/*.tsx"],
    // An event's handler in the markup is one call: `onClick={() => setOpen(true)}`.
    rules: { "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }] },
  },
  {
    files: ["test/**/*.ts"],
    // chai asserts through property access: `expect(x).to.be.true` is a whole statement.
    rules: { "@typescript-eslint/no-unused-expressions": "off" },
  },
);
