/**
 * Writes docs/threat-model.md: `node dist/scripts/threats.js`. A test holds the file equal to what this makes. Tests that
 * call `threat("A1", …)` are found in their sources, and with them the ways in which they take the control out.
 */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { asset } from "../src/system/paths.js";
import { THREATS, type ThreatId, type ThreatRow } from "../test/threats/rows.js";

const INTRODUCTION = `# Threat model

Generated from \`test/threats/rows.ts\` and the tests by \`node dist/scripts/threats.js\`; a test holds it equal to them.

## What is protected

In this order: that nothing proceeds which should not; that what is revoked stays revoked; that the record is complete;
that the policy is the one its authors signed; that answers come; that records stay private. Where two of them pull in
different directions the earlier one wins: a full disk stops answers, since an answer without a record is worse than none.

## Who is trusted, and with what

- The host: its kernel, its memory, its monotonic clock. Its wall clock decides where a date is stated, and nowhere else.
- Whoever holds a private key, for what that key signs: a bundle, a token.
- An [enforcement point](explain/glossary.md#the-parts), for where it calls from, and for the attributes it looked up. Those are its claim, and are recorded
  as such. \`callers\` says for which agents and purposes each may ask.
- The nodes of a cluster, and whoever has the user of one at its NATS servers, for all facts and for what other nodes are said to have decided:
  messages between nodes [aren't signed](cluster.md#nodes-trust-one-another).

Nothing else. What an agent or a model wrote, what comes over the network, a bundle before it is verified, a time that a
request claims: each is read as if the one who wrote it wanted the wrong answer.

## Who attacks

- An agent that has gone astray or was taken over, with credentials that are good.
- Someone on the network, or a page in a browser on the same machine.
- An enforcement point that was taken over.
- An author of policies, by mistake or on purpose.
- Whoever controls the build, or the place that bundles come from.

## What nobody here can stop

An agent that reaches a tool without passing any enforcement point (where traces of it are sent, it is [found](observe.md)); root on the decision point's host; the theft of a
signing key together with write access to the bundle's path; a policy that is signed, valid and allows too much.

## In doubt

A request that can't be read is a problem. One that can't be decided is a deny with a code. An enforcement point that gets
no answer takes that for a deny. There is no option that changes any of this.

## Threats and their tests

Each test looks for what gets through, and must find nothing. Its counter-test runs the same check on the service's
modules with the control cut out, and must find something: a check that can't fail shows nothing. The service itself has no
switch for it.
`;

interface Found {
  file: string;
  without: string[];
}

/** Every call of `threat(…)` in a test's source. */
function threatsIn(file: string, text: string): [id: string, found: Found][] {
  const found: [string, Found][] = [];
  // Most tests have none, and parsing takes seconds of all.
  if (!/\bthreat\b/.test(text)) return found;
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "threat") {
      const [id, , how] = node.arguments;
      if (id !== undefined && ts.isStringLiteral(id) && how !== undefined && ts.isObjectLiteralExpression(how)) {
        found.push([id.text, { file, without: how.properties.flatMap(namesOfWithout) }]);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  return found;
}

function namesOfWithout(member: ts.ObjectLiteralElementLike): string[] {
  if (!ts.isPropertyAssignment(member) || member.name.getText() !== "without") return [];
  if (!ts.isObjectLiteralExpression(member.initializer)) return [];
  return member.initializer.properties.flatMap(({ name }) => (name !== undefined && ts.isStringLiteral(name) ? [name.text] : []));
}

export function threatModelText(): string {
  const folder = asset("test");
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .flatMap((path) => threatsIn(relative(asset(), path), readFileSync(path, "utf8")));
  const rows = (Object.entries(THREATS) as [ThreatId, ThreatRow][]).map(([id, { threat, control, lives, also = [] }]) => {
    const tests = found.filter(([of]) => of === id).map(([, test]) => test);
    const files = [...new Set([...tests.map(({ file }) => file), ...also])];
    const without = tests.flatMap((test) => test.without);
    const counter = without.length === 0 ? "none of its own" : `without ${without.join("; ")}`;
    return [id, threat, `${control} ${list(lives)}`, list(files), counter];
  });
  return `${INTRODUCTION}\n${table(["", "threat", "control", "tests", "counter-tests"], rows)}\n`;
}

/** Links from `docs/`. */
function list(files: readonly string[]): string {
  return files.map((file) => `[\`${file}\`](../${file})`).join(", ");
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(asset("docs", "threat-model.md"), threatModelText());
}
