/** A support desk's days as they are told in the tables of the bundle that ships, each case decided as we read it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask } from "../src/authoring/ask.js";
import { outcomeOf } from "../src/authoring/run.js";
import { situationOf } from "../src/authoring/situation.js";
import { readTable, type Table, type TableCase, type Verdict } from "../src/authoring/table.js";
import { keyId, publicKey } from "../src/bundle/signature.js";
import { Sheet } from "../src/bundle/source.js";
import { TrustedStore } from "../src/bundle/trusted.js";
import { verifyBundle, type VerifiedBundle } from "../src/bundle/verify.js";
import type { Answer } from "../src/contract/index.js";
import type { ActivePolicy } from "../src/decision/ports.js";
import { PolicyEngine } from "../src/policy/engine.js";
import { systemClock } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";

const BUNDLE = "customer_support";

/** Told to people, so that what waits and what is refused is seen at a glance. */
const MARKS: Readonly<Record<Verdict, string>> = {
  allow: "✓ goes ahead",
  "allow and log": "✓ goes ahead, is noted",
  flag: "⚑ goes ahead, a person looks",
  "flag and wait": "⚑ waits for a person",
  deny: "✗ is denied",
};
const MARK_WIDTH = Math.max(...Object.values(MARKS).map((mark) => mark.length));

/** True where every case came out as the table wants it. */
export async function tellStory(): Promise<boolean> {
  const key = publicKey(readFileSync(asset("bundles", `${BUNDLE}.pub.pem`)));
  const bundle = await verifyBundle(readFileSync(asset("bundles", `${BUNDLE}.tar.gz`)), {
    name: BUNDLE,
    keys: new Map([[keyId(key), key]]),
    nowMs: systemClock.wall(),
  });
  const policy = await activated(bundle);
  let asWanted = true;
  for (const table of tablesOf(bundle)) {
    console.log(heading(table));
    for (const one of table.cases) {
      const { answer } = await ask(policy, situationOf(table.given, one));
      console.log(told(one, answer));
      if (outcomeOf(answer).then !== one.wanted.then) {
        asWanted = false;
        console.log(`  !!! the table wants: ${one.wanted.then}`);
      }
    }
  }
  return asWanted;
}

async function activated(bundle: VerifiedBundle): Promise<ActivePolicy> {
  const folder = mkdtempSync(join(tmpdir(), "remit-demo-"));
  try {
    const engine = new PolicyEngine({ trusted: await TrustedStore.open(folder), clock: systemClock });
    await engine.activate(bundle);
    if (engine.active === null) throw new Error("the bundle was activated and doesn't run");
    return engine.active;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tablesOf({ files, data }: VerifiedBundle): Table[] {
  return [...files]
    .filter(([file]) => file.startsWith("tables/"))
    .map(([file, text]) => readTable(new Sheet(file, String(text)), data.vocabulary));
}

function heading({ name, given: { agent, task } }: Table): string {
  const work = task === null ? "without a task" : `on task ${task.id}`;
  return `\n${name}\n  ${agent.id} works ${work}, for ${[...agent.purposes].join(" and ")}\n`;
}

/** What happens in one line, and under it why, and what the agent gets to hear. */
function told({ name, verb, resource, given }: TableCase, answer: Answer): string {
  const { then, because } = outcomeOf(answer);
  const moment = new Date(given.now_ms).toISOString().slice(0, 16).replace("T", " ").concat(" UTC");
  const lines = [`  ${moment}  ${MARKS[then].padEnd(MARK_WIDTH)}  ${name}  [${verb} ${resource.name}]`];
  const indent = " ".repeat(moment.length + 4);
  if (then === "allow") return lines.join("\n");
  for (const { code, message } of answer.reasons) if (because.includes(code)) lines.push(`${indent}  ${message}`);
  if (answer.tell_agent !== undefined && answer.tell_agent !== "") lines.push(`${indent}  “${answer.tell_agent}”`);
  return lines.join("\n");
}
