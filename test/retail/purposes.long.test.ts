import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { expect } from "chai";
import { ask } from "../../src/authoring/ask.js";
import { outcomeOf } from "../../src/authoring/run.js";
import { situationOf } from "../../src/authoring/situation.js";
import { readTable, type DecisionTable } from "../../src/authoring/table.js";
import { writeArchive } from "../../src/bundle/archive.js";
import { buildBundle, type BuiltBundle } from "../../src/bundle/build.js";
import { findOpa } from "../../src/bundle/opa.js";
import { SIGNATURES_FILE, keyId, signFiles } from "../../src/bundle/signature.js";
import { Sheet } from "../../src/bundle/source.js";
import { verifyBundle } from "../../src/bundle/verify.js";
import { canonical, type Answer, type Entry, type Obligation, type PolicyData, type Purpose } from "../../src/contract/index.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import { INSTANCE_LIMITS, PolicyInstance } from "../../src/policy/instance.js";
import { asset } from "../../src/system/paths.js";

const SET = asset("rego", "policies", "retail");
const PURPOSE = "retail_service";
const BUILT_MS = Date.UTC(2026, 0, 1);
const CONFIRMATION: Obligation[] = [{ type: "confirm", with: "customer" }];

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

describe("retail's purpose", () => {
  let built: BuiltBundle;
  let data: PolicyData;
  let tables: DecisionTable[];

  before(async function () {
    this.timeout(900_000); // the compiler may have to be built first
    const opa = await findOpa();
    const options = { dir: SET, key: privateKey, sequence: 1, expiresMs: null, builtMs: BUILT_MS, commit: null };
    built = await buildBundle(opa, options);
    data = JSON.parse(String(built.files.get("data.json"))) as PolicyData;
    tables = built.set.tables.map((file) => readTable(Sheet.open(file, join(SET, file)), data.vocabulary));
  });

  /** The built bundle with other data, signed anew, as the engine runs it. */
  async function policyWith(changed: PolicyData): Promise<ActivePolicy> {
    const files = new Map<string, Buffer>(built.files).set("data.json", Buffer.from(canonical(changed)));
    files.delete(SIGNATURES_FILE);
    files.set(SIGNATURES_FILE, signFiles(files, privateKey));
    const keys = new Map([[keyId(publicKey), publicKey]]);
    const bundle = await verifyBundle(await writeArchive(files, 0), { name: "retail", keys, nowMs: BUILT_MS });
    const instance = new PolicyInstance(bundle, INSTANCE_LIMITS);
    return {
      identity: bundle.identity,
      vocabulary: bundle.data.vocabulary,
      purposes: new Map(Object.entries(bundle.data.purposes)),
      catalogue: bundle.catalogue,
      expires_ms: null,
      evaluate: (input) => instance.evaluate(input),
    };
  }

  /** Names of the tables' cases that come out otherwise than wanted. What is written needs the customer's yes. */
  async function failing(policy: ActivePolicy): Promise<string[]> {
    const found: string[] = [];
    for (const table of tables) {
      for (const one of table.cases) {
        const { answer } = await ask(policy, situationOf(table.given, one));
        const got = outcomeOf(answer);
        const writes = data.vocabulary.verbs[one.verb]?.class === "write";
        const asWanted = got.then === one.wanted.then && canonical(got.because) === canonical(wantedCodes(one.wanted, answer));
        const confirmed = !answer.proceed || canonical(answer.obligations) === canonical(writes ? CONFIRMATION : []);
        if (!asWanted || !confirmed) found.push(one.name);
      }
    }
    return found;
  }

  it("decides every case of the tables as wanted", async () => {
    expect(tables.flatMap(({ cases }) => cases)).to.have.length.above(90);
    expect(await failing(await policyWith(data))).to.deep.equal([]);
  });

  it("has no entry, condition or obligation that the tables would not miss", async function () {
    const without = ablations(data);
    expect(without).to.have.length.above(60);
    const notMissed: string[] = [];
    for (const { what, data: changed } of without) {
      if ((await failing(await policyWith(changed))).length === 0) notMissed.push(what);
    }
    expect(notMissed).to.deep.equal([]);
  });
});

function wantedCodes({ then, because }: DecisionTable["cases"][number]["wanted"], answer: Answer): string[] {
  if (because === null || then === "allow") return outcomeOf(answer).because;
  return [...because].sort();
}

/** The policy's data with one thing taken out each time. */
function ablations(data: PolicyData): { what: string; data: PolicyData }[] {
  const found: { what: string; data: PolicyData }[] = [];
  for (const effect of ["allow", "flag", "never"] as const) {
    for (const [type, verbs] of Object.entries(data.purposes[PURPOSE]?.[effect] ?? {})) {
      for (const [verb, entries] of Object.entries(verbs)) {
        for (const [i, entry] of entries.entries()) {
          for (const [what, changed] of weakened(entry)) {
            const copy = structuredClone(data);
            const left = { ...verbs, [verb]: entries.toSpliced(i, 1, ...changed) };
            const filled = Object.entries(left).filter(([, some]) => some.length > 0);
            (copy.purposes[PURPOSE] as Purpose)[effect][type] = Object.fromEntries(filled);
            found.push({ what: `${effect} ${verb} ${type} ${entry.reason.code}: ${what}`, data: copy });
          }
        }
      }
    }
  }
  return found;
}

/** What is left of an entry: nothing, or all but one of the things that it says. */
function weakened(entry: Entry): [string, Entry[]][] {
  return [
    ["the entry", []],
    ...(entry.about === "any" ? [] : [["about", [{ ...entry, about: "any" }]] as [string, Entry[]]]),
    ...entry.when.map((condition): [string, Entry[]] => [
      condition.name,
      [{ ...entry, when: entry.when.filter((other) => other !== condition) }],
    ]),
    ...(entry.obligations.length === 0 ? [] : [["obligations", [{ ...entry, obligations: [] }]] as [string, Entry[]]]),
  ];
}
