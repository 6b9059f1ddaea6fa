import { readFileSync } from "node:fs";
import { expect } from "chai";
import fc from "fast-check";
import { readUnverified } from "../../src/bundle/verify.js";
import type { PolicyResult, Relation, Values } from "../../src/contract/index.js";
import { relationOf } from "../../src/decision/relation.js";
import { asset } from "../../src/system/paths.js";
import { evaluateWasm } from "../build/support.js";

describe("whether a resource is what its task is about", () => {
  const id = fc.constantFrom("a", "b", "c", "A", "");
  const subject = fc.constantFrom("s", "t", "u");
  const scene = fc.record({
    about: fc.dictionary(subject, fc.constantFrom("id", "x", "y"), { noNullPrototype: true }),
    subjects: fc.dictionary(subject, fc.array(id, { maxLength: 2 }), { noNullPrototype: true }),
    id: fc.option(id),
    attributes: fc.dictionary(fc.constantFrom("x", "y"), fc.oneof(id, fc.constantFrom<Values[string]>(null, false, 1, ["a"], {})), {
      noNullPrototype: true,
    }),
  });

  /** Says by its reasons what the engine takes the relation for. */
  const entry = (about: "task" | "other", effect: "allow" | "flag"): object => ({
    about,
    when: [],
    obligations: [],
    reason: { effect, code: about, severity: "info", params: {}, ...(effect === "flag" && { proceed: true }) },
  });

  async function engineSays(scenes: (typeof scene extends fc.Arbitrary<infer S> ? S : never)[]): Promise<Relation[]> {
    const { files } = await readUnverified(readFileSync(asset("bundles", "customer_support.tar.gz")));
    const types = Object.fromEntries(scenes.map(({ about }, i) => [`type_${i}`, { about }]));
    const lines = (about: "task" | "other", effect: "allow" | "flag"): object =>
      Object.fromEntries(Object.keys(types).map((type) => [type, { read: [entry(about, effect)] }]));
    const purpose = { hours: null, allow: lines("task", "allow"), flag: lines("other", "flag"), never: {} };
    const data = { purposes: { purpose }, vocabulary: { types, verbs: {} }, zones: {} };
    const inputs = scenes.map(({ subjects, id, attributes }, i) => ({
      request: { purpose: "purpose", verb: "read", resource: { type: `type_${i}`, id, attributes } },
      facts: {
        task: {
          subjects: Object.fromEntries(
            ["s", "t", "u"].map((name) => [name, subjects[name]?.length === 0 ? null : (subjects[name] ?? null)]),
          ),
        },
        grants: [],
        behavior: { channels: {}, confidence: 0, reasons: [], risk: 0 },
      },
    }));
    const wasm = files.get("policy.wasm") ?? Buffer.alloc(0);
    const answers = (await evaluateWasm(wasm, Buffer.from(JSON.stringify(data)), inputs)) as PolicyResult[];
    return answers.map(({ reasons: [reason] }) => (reason?.code === "task" ? "task" : reason?.needs === undefined ? "other" : "unknown"));
  }

  it("is what the engine takes it for, whatever is known", async function () {
    const seen = new Set<Relation>();
    await fc.assert(
      fc.asyncProperty(fc.array(scene, { minLength: 100, maxLength: 200 }), async (scenes) => {
        const ours = scenes.map(({ about, subjects, ...resource }) => relationOf(resource, { about }, { subjects }));
        for (const one of ours) seen.add(one);
        expect(ours).to.deep.equal(await engineSays(scenes));
      }),
      { numRuns: 25, endOnFailure: true },
    );
    expect([...seen].sort()).to.deep.equal(["other", "task", "unknown"]);
  });
});
