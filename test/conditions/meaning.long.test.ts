/**
 * Every condition that YAML can say against the same written by hand in Rego, which OPA's own evaluator decides with builtins that
 * policies may not use; and against the explanation's own reading.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomInt, generateKeyPairSync } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { buildBundle } from "../../src/bundle/build.js";
import { findOpa, runOpa, type Opa } from "../../src/bundle/opa.js";
import { readUnverified, type UnverifiedBundle } from "../../src/bundle/verify.js";
import type { Entry, Fields, PolicyInput, Value, ValueType, Values } from "../../src/contract/index.js";
import { all, truthOf, type Truth } from "../../src/decision/conditions.js";
import { PolicyInstance } from "../../src/policy/instance.js";
import { Dice } from "../differential/dice.js";
import { CASES, ORACLE, SET } from "./cases.js";

const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const INPUTS = Number(process.env["REMIT_INPUTS"] ?? 20_000);
const KNOWN_SEED = 1;
const BATCH = 5000;
const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 2, 1, 9, 30);

describe(`conditions in YAML (REMIT_SEED=${SEED})`, function () {
  this.timeout(900_000);
  let opa: Opa;
  let folder: string;
  let bundle: UnverifiedBundle;
  before(async () => {
    opa = await findOpa();
    folder = mkdtempSync(join(tmpdir(), "remit-conditions-"));
    for (const [file, text] of Object.entries(SET)) writeFileSync(join(folder, file), text);
    writeFileSync(join(folder, "oracle.txt"), ORACLE);
    const { privateKey: key } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const built = await buildBundle(opa, { dir: folder, key, sequence: 1, expiresMs: null, builtMs: 0, commit: null, name: "conditions" });
    bundle = await readUnverified(built.archive);
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Counted by what differs: condition, truth by hand, truth by the engine, and one input. */
  async function differences(
    oracle: string,
    inputs: number,
    seed = SEED,
  ): Promise<{ found: Map<string, string>; truths: Record<Truth, number> }> {
    const program = join(folder, "oracle.rego");
    writeFileSync(program, oracle);
    const instance = new PolicyInstance(bundle);
    const dice = new Dice(seed);
    const found = new Map<string, string>();
    const truths: Record<Truth, number> = { yes: 0, no: 0, unknown: 0 };
    for (let done = 0; done < inputs; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, inputs - done) }, () => draw(dice, bundle));
      const query = "[truth | some each in input; truth := data.oracle.truth with input as each]";
      const output = await runOpa(opa, ["eval", "--format", "raw", "--stdin-input", "--data", program, query], ".", JSON.stringify(batch));
      expect(output.code, output.stderr).to.equal(0);
      const wanted = JSON.parse(output.stdout) as Truth[];
      for (const [i, input] of batch.entries()) {
        const { verb } = input.request;
        const engine = truthBy(instance, input);
        const [entry] = bundle.data.purposes["p"]?.allow["item"]?.[verb] ?? [];
        const explained = all((entry as Entry).when.map((condition) => truthOf(condition, input)));
        truths[engine]++;
        if (engine === wanted[i] && explained === engine) continue;
        const text = CASES[Number(verb.slice(1))]?.when ?? "";
        found.set(`${text}: by hand ${wanted[i] ?? ""}, engine ${engine}, explained ${explained}`, JSON.stringify(input));
      }
    }
    return { found, truths };
  }

  it("mean what they mean by hand, to the last of the inputs", async () => {
    const { found, truths } = await differences(ORACLE, INPUTS);
    expect([...found.entries()].slice(0, 5)).to.deep.equal([]);
    for (const count of Object.values(truths)) expect(count).to.be.above(INPUTS / 20);
  });

  it("are found to differ where one is written otherwise by hand", async () => {
    for (const [right, wrong] of [
      ["r.a > 5 }", "r.a >= 5 }"],
      ["count(r.tags) > 1", "count(r.tags) > 2"],
      ["(30 * 24", "(29 * 24"],
    ] as const) {
      expect(ORACLE).to.include(right);
      // Inputs that are known to meet each edge: drawn ones miss it now and then.
      const { found } = await differences(ORACLE.replaceAll(right, wrong), 5000, KNOWN_SEED);
      expect(found.size, wrong).to.be.above(0);
    }
  });
});

/** A decision with both entries of a condition tells its truth: what holds is allowed, and all but what fails is forbidden. */
function truthBy(instance: PolicyInstance, input: PolicyInput): Truth {
  const evaluation = instance.evaluate(JSON.stringify(input));
  if (!evaluation.ok) throw new Error(`the engine failed: ${JSON.stringify(evaluation)}`);
  const codes = (evaluation.result as { reasons: { code: string }[] }).reasons.map(({ code }) => code);
  return codes.includes("yes") ? "yes" : codes.includes("not_no") ? "unknown" : "no";
}

const IDS = ["ada", "bob", "Ada", "b", "日本"];
const WORDS = ["", "ab", "b", "xab", "a.pdf", "ada", "bob", "abb"];
const HOSTS = [
  "example.com",
  "EXAMPLE.com",
  "example.com.",
  "example.com..",
  "example.org",
  "xexample.com",
  "example.com.evil.org",
  "\u212Aelvin.com",
  "\u0130.com",
];
const INTEGERS = [0, 1, 2, 3, 4, 5, 6, 99, 100, 5000, 5001, -1, -5, 2 ** 53 - 1, -(2 ** 53) + 1, 94_906_267];
const MOMENTS = [
  NOW_MS,
  NOW_MS - 24 * HOUR_MS,
  NOW_MS + 24 * HOUR_MS,
  NOW_MS - 720 * HOUR_MS,
  NOW_MS + 36 * HOUR_MS,
  Date.UTC(2024, 1, 29),
  Date.UTC(2000, 1, 29),
  Date.UTC(1900, 2, 1),
];
const NEAR = [0, 0, 1, -1, 1000, -1000, 900_000, 900_001, HOUR_MS];
const DURATIONS = ["0s", "1ms", "36h", "2160m", "129600001ms", "129599s", "2d", "1d", "400d"];

function draw(dice: Dice, { data }: UnverifiedBundle): PolicyInput {
  const spec = data.vocabulary.types["item"];
  const value = (type: ValueType): Value => {
    switch (type.kind) {
      case "id":
        return dice.of(IDS);
      case "email":
        return `${dice.of(["ada", "a.b", "A"])}@${dice.of(HOSTS)}`;
      case "string":
        return dice.of(WORDS);
      case "integer":
        return dice.of(INTEGERS);
      case "number":
        return dice.of([...INTEGERS, 0.5, 0.1 + 0.2, 4.999, 5e-324, 1e300]);
      case "boolean":
        return dice.chance(50);
      case "enum":
        return dice.of(type.values);
      case "date":
        return dice.of([
          "2026-02-28",
          "2026-03-01",
          "2026-03-02",
          "2024-02-29",
          "2026-05-31",
          "2026-06-01",
          "2100-03-01",
          "1900-02-28",
          "2026-01-01",
        ]);
      case "time": {
        const text = new Date(dice.of(MOMENTS) + dice.of(NEAR)).toISOString();
        return text.endsWith(".000Z") && dice.chance(50) ? text.replace(".000Z", "Z") : text;
      }
      case "duration":
        return dice.of(DURATIONS);
      case "list":
        return dice.many(type.max, () => value(type.of));
      case "object":
        return fields(type.fields);
    }
  };
  const fields = (of: Fields): Values =>
    Object.fromEntries(Object.entries(of).map(([name, type]) => [name, dice.chance(12) ? null : value(type)]));
  return {
    request: {
      agent: "a",
      purpose: "p",
      task: "t",
      verb: `v${dice.below(CASES.length)}`,
      resource: { type: "item", id: "i", attributes: fields(spec?.attributes ?? {}) },
      related: {},
      arguments: fields(spec?.arguments ?? {}),
      context: { session: null, source: null, trace: null },
    },
    facts: {
      time: { ms: NOW_MS, claim_ms: null },
      caller: { id: "c" },
      principal: null,
      agent: { id: "a", version: "1", owner: "o", attributes: {} },
      task: {
        id: "t",
        subjects: { customer: dice.chance(15) ? null : dice.many(3, () => dice.of(IDS)) },
        attributes: fields(data.vocabulary.task.attributes),
        depth: 0,
        root: "t",
      },
      grants: [],
      behavior: { risk: 0, confidence: 0, channels: {}, reasons: [] },
      flow: null,
    },
  };
}
