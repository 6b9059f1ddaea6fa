import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { checkConventions, parseModules, ruleReasons } from "../../src/bundle/conventions.js";
import type { SourceNote } from "../../src/bundle/source.js";
import { compiler, COMPILER_BUILD_MS_MAX } from "./support.js";

const PACKAGE = `# METADATA
# schemas:
#   - input: schema.input
package rules.shop

import data.remit.reason
`;

interface Parts {
  effect?: string;
  metadata?: string[] | null;
  key?: string;
  body?: string;
  more?: string;
}

const METADATA = ["title: Large", "custom:", "  code: large", "  severity: medium", '  message: "large"'];

/** A rule that keeps every convention, with one part changed. */
function rule({ effect = "deny", metadata = METADATA, key, body = 'input.request.verb == "buy"', more = "" }: Parts) {
  const comment = metadata === null ? "" : ["# METADATA", ...metadata.map((line) => `# ${line}`), ""].join("\n");
  const reason = key ?? "reason.because(rego.metadata.rule(), {})";
  return `${PACKAGE}\n${comment}${effect} contains ${reason} if {\n\t${body}\n}\n${more}`;
}

function without(word: string): string[] {
  return METADATA.filter((line) => !line.includes(word));
}

async function notesOf(source: string): Promise<SourceNote[]> {
  const folder = await mkdtemp(join(tmpdir(), "remit-conventions-"));
  try {
    await writeFile(join(folder, "rules.rego"), source);
    const opa = await compiler();
    return await checkConventions(opa, await parseModules(opa, folder, ["rules.rego"]), ["shop"]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("the conventions of rules", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  const second = `
# METADATA
# title: Other
# custom:
#   code: large
#   severity: low
#   message: other
log contains reason.because(rego.metadata.rule(), {}) if input.request.verb == "sell"
`;
  const loops = "some a in input.facts.grants\n\tsome b in input.facts.grants";

  const bad: [title: string, source: string, wanted: RegExp][] = [
    ["without METADATA", rule({ metadata: null }), /rule has no METADATA/],
    ["without a title", rule({ metadata: without("title") }), /no title/],
    ["with an empty title", rule({ metadata: ['title: " "', ...without("title")] }), /no title/],
    ["without a code", rule({ metadata: without("code") }), /no code/],
    ["without a severity", rule({ metadata: without("severity") }), /no severity/],
    ["without a message", rule({ metadata: without("message") }), /no message/],
    ["with a code that isn't snake_case", rule({ metadata: METADATA.map((l) => l.replace("large", "Too-Large")) }), /not a code/],
    ["with an unknown severity", rule({ metadata: METADATA.map((l) => l.replace("medium", "severe")) }), /not a severity/],
    ["that flags without saying whether it proceeds", rule({ effect: "flag" }), /goes on/],
    ["that denies and says it proceeds", rule({ metadata: [...METADATA, "  proceed: true"] }), /says nothing on a `deny`/],
    ["with a code that another rule has", rule({ more: second }), /is given by rules\.rego:\d+ too/],
    ["whose head is an object of its own", rule({ key: '{"code": "large"}' }), /doesn't call reason\.because/],
    ["whose deny vanishes without METADATA", rule({ key: "reason.of(rego.metadata.rule(), {})" }), /doesn't call/],
    ["with somebody else's METADATA", rule({ key: "reason.because(input, {})" }), /doesn't call/],
    ["that is no set", `${PACKAGE}\n# METADATA\n# title: x\ndeny := true\n`, /is a set of reasons/],
    ["in a package of no purpose", rule({}).replace("rules.shop", "rules.shopp"), /belongs to no purpose/],
    ["in a package beside the purposes", rule({}).replace("rules.shop", "remit.shop"), /belongs to no purpose/],
    ["that isn't checked against the schema", rule({}).replace(/# METADATA\n# schemas:\n.*\n/, ""), /isn't checked/],
    ["that makes itself an entrypoint", rule({ metadata: [...METADATA, "entrypoint: true"] }), /no entrypoints/],
    ["with a pattern from the input", rule({ body: 'regex.match(input.request.verb, "x")' }), /not a constant/],
    ["with a pattern put together", rule({ body: 'regex.match($"{input.request.verb}+", "x")' }), /not a constant/],
    ["with a pattern nested in a call", rule({ body: 'count([1 | regex.match(input.request.verb, "x")]) > 0' }), /not a constant/],
    ["with a pattern of bytes", rule({ body: "regex.match(`\\Cx`, input.request.verb)" }), /matches bytes/],
    ["that rounds down", rule({ body: "floor(input.facts.time.ms) > 1" }), /floor differs/],
    [
      "with three loops in a row",
      rule({ body: `${loops}\n\tsome c in input.facts.grants\n\ta == b\n\tb == c` }),
      /^3 iterations are nested here \(lines 15, 16, 17\), at most 2/,
    ],
    ["with a loop in a comprehension in two", rule({ body: `${loops}\n\tcount([c | some c in a.xs]) > b.n` }), /3 iterations/],
    ["with `every` inside two loops", rule({ body: `${loops}\n\tevery c in a.xs { c > b.n }` }), /3 iterations/],
    ["with brackets inside two loops", rule({ body: `${loops}\n\ta.xs[_] == b.n` }), /3 iterations/],
  ];
  for (const [title, source, wanted] of bad) {
    it(`refuse a rule ${title}`, async () => {
      const errors = (await notesOf(source)).filter(({ severity }) => severity === "error");
      expect(errors.map(({ message }) => message).join("\n")).to.match(wanted);
      for (const { file, line, column, hint } of errors) {
        expect({ file, line: typeof line, column: typeof column, hint: typeof hint }).to.deep.equal({
          file: "rules.rego",
          line: "number",
          column: "number",
          hint: "string",
        });
      }
    });
  }

  const good: [title: string, source: string][] = [
    ["a deny", rule({})],
    ["a flag that says it proceeds", rule({ effect: "flag", metadata: [...METADATA, "  proceed: false"] })],
    ["an allow by reason.of", rule({ effect: "allow", key: "reason.of(rego.metadata.rule(), {})" })],
    [
      "the reason by its whole name",
      rule({ key: "data.remit.reason.because(rego.metadata.rule(), {})" }).replace("import data.remit.reason\n", ""),
    ],
    ["a constant pattern", rule({ body: "regex.match(`^[a-z]+$`, input.request.verb)" })],
    ["a pattern named in the file", rule({ body: "regex.match(form, input.request.verb)", more: "\nform := `^[a-z]+$`\n" })],
    ["two loops", rule({ body: `${loops}\n\ta == b` })],
    ["loops over constants", rule({ body: `${loops}\n\tsome c in ["x", "y"]\n\ta[c] == b[c]` })],
    [
      "two pairs of loops side by side",
      rule({
        body: "count([1 | some a in input.facts.grants; some b in a.xs]) > 1",
        more: "\nother if count([1 | some a in input.facts.grants; some b in a.xs]) > 1\n",
      }),
    ],
  ];
  for (const [title, source] of good) {
    it(`accept ${title}`, async () => {
      expect(await notesOf(source)).to.deep.equal([]);
    });
  }

  it("give the reasons that METADATA names, with their place", async () => {
    const folder = await mkdtemp(join(tmpdir(), "remit-conventions-"));
    try {
      await writeFile(join(folder, "rules.rego"), rule({ metadata: [...METADATA, "  tell_agent: No."] }));
      expect(ruleReasons(await parseModules(await compiler(), folder, ["rules.rego"]))).to.deep.equal([
        {
          purpose: "shop",
          effect: "deny",
          code: "large",
          severity: "medium",
          title: "Large",
          message: "large",
          tellAgent: "No.",
          file: "rules.rego",
          line: 15,
          messageLine: 13,
          params: [],
        },
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
