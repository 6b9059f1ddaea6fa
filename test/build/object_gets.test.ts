import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parseModules } from "../../src/bundle/conventions.js";
import { unknownKeys } from "../../src/bundle/object_gets.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { inputSchema } from "../../src/contract/index.js";
import { COMPILER_BUILD_MS_MAX, compiler } from "./support.js";

const WORDS = compileVocabulary(
  new Sheet(
    "vocabulary.yaml",
    `verbs: {read: {class: read}}
types: {order: {attributes: {customer: id}, arguments: {amount: integer, place: {object: {city: string}}}}}
`,
  ),
);

async function said(rules: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "remit-gets-"));
  try {
    await writeFile(join(folder, "rules.rego"), `package rules.shop\n\nimport input.request.arguments as given\n\n${rules}\n`);
    const modules = await parseModules(await compiler(), folder, ["rules.rego"]);
    return unknownKeys(modules, inputSchema(WORDS)).map(({ line, message, hint }) => `${line ?? 0} ${message}; ${hint ?? ""}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("object.get with a key", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const fault = (path: string, key: string, hint: string): string =>
    `5 \`${path}\` has no field \`${key}\`, so \`object.get\` always gives its default; ${hint}`;
  const rows: [rules: string, wanted: string[]][] = [
    ['x := object.get(input.request.arguments, "amount", null)', []],
    ['x := object.get(input.request.arguments, "amout", null)', [fault("input.request.arguments", "amout", "did you mean `amount`?")]],
    [
      'x if object.get(input.request.arguments, ["place", "cty"], "") == "a"',
      [fault("input.request.arguments.place", "cty", "did you mean `city`?")],
    ],
    ['x if object.get(given, "amout", 0) > 5', [fault("input.request.arguments", "amout", "did you mean `amount`?")]],
    [
      'x := [y | y := object.get(attributes, "custmer", null)]\n\nattributes := input.request.resource.attributes',
      [fault("input.request.resource.attributes", "custmer", "did you mean `customer`?")],
    ],
    ["x(key) := object.get(input.request.arguments, key, null)", []],
    ['x := object.get({"a": 1}, "b", null)', []],
    ['x := object.get(input.facts.task.subjects, "nobody", null)', [fault("input.facts.task.subjects", "nobody", "it has none")]],
    ['x := object.get(input.facts.flow.arguments, "amount", null)', []],
  ];
  for (const [rules, wanted] of rows)
    it(`${wanted.length === 0 ? "may be" : "is an error"}: ${rules.split("\n")[0] ?? ""}`, async () => {
      expect(await said(rules)).to.deep.equal(wanted);
    });
});
