import { readFileSync } from "node:fs";
import { expect } from "chai";
import { ask } from "../../src/authoring/ask.js";
import { explainInput } from "../../src/explain/explanation.js";
import { groundOf } from "../../src/authoring/set.js";
import { situationOf } from "../../src/authoring/situation.js";
import { readTable } from "../../src/authoring/table.js";
import { Sheet } from "../../src/bundle/source.js";
import { readUnverified } from "../../src/bundle/verify.js";
import type { Explanation, PolicyInput } from "../../src/contract/index.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import type { Ground } from "../../src/authoring/run.js";
import { asset } from "../../src/system/paths.js";

interface Stopped {
  name: string;
  input: PolicyInput;
  explanation: Explanation;
}

const noPlan = () => undefined;

describe("what would let a stopped action pass", function () {
  async function shipped(set: string): Promise<{ ground: Ground; stopped: Stopped[] }> {
    const { identity, wasm, data, catalogue, metadata, files } = await readUnverified(readFileSync(asset("bundles", `${set}.tar.gz`)));
    const ground = groundOf({ identity, wasm, data, catalogue, abi: metadata.abi });
    const stopped: Stopped[] = [];
    for (const [file, text] of files) {
      if (!file.startsWith("tables/")) continue;
      const table = readTable(new Sheet(file, text), data.vocabulary);
      for (const one of table.cases) {
        const { answer, input } = await ask(ground.policy, situationOf(table.given, one));
        if (answer.proceed || input === null) continue;
        const explanation = await explainInput(ground.policy, data, input, noPlan);
        if (explanation !== null) stopped.push({ name: one.name, input, explanation });
      }
    }
    return { ground, stopped };
  }

  const FOUND: [set: string, share: number][] = [
    ["customer_support", 0.8],
    ["retail", 0.8],
  ];
  for (const [set, share] of FOUND) {
    it(`is found for most of the cases that ${set} stops, and never more than two changes`, async () => {
      const { stopped } = await shipped(set);
      const answered = stopped.filter(({ explanation }) => (explanation.would_pass?.ways.length ?? 0) > 0);
      expect(answered.length / stopped.length, `${answered.length} of ${stopped.length}`).to.be.at.least(share);
      for (const { explanation } of stopped) {
        for (const { changes } of explanation.would_pass?.ways ?? []) expect(changes).to.have.length.within(1, 2);
      }
    });
  }

  it("is nothing for a policy that denies whatever it is asked, and at a bounded cost", async () => {
    const { ground, stopped } = await shipped("customer_support");
    let evaluations = 0;
    const never: Pick<ActivePolicy, "evaluate" | "catalogue"> = {
      catalogue: ground.catalogue,
      evaluate: () => {
        evaluations++;
        const reasons = [{ effect: "deny", code: "never", severity: "high", params: {} }];
        return { ok: true, result: { decision: "deny", proceed: false, reasons, obligations: [] }, fuel: 1 };
      },
    };
    for (const { input } of stopped) {
      evaluations = 0;
      const explained = await explainInput(never, ground.data, input, noPlan);
      expect(explained?.would_pass).to.deep.include({ ways: [], grant: "lifts_nothing" });
      expect(evaluations).to.be.below(700);
    }
  });

  it("counts a way only where the policy says `proceed`: a flag that waits is none", async () => {
    const { ground, stopped } = await shipped("customer_support");
    const waiting: Pick<ActivePolicy, "evaluate" | "catalogue"> = {
      catalogue: ground.catalogue,
      evaluate: () =>
        ({
          ok: true,
          result: { decision: "flag", proceed: false, reasons: [{ effect: "flag", code: "f", proceed: false }], obligations: [] },
          fuel: 1,
        }) as unknown as ReturnType<ActivePolicy["evaluate"]>,
    };
    const [first] = stopped;
    const explained = await explainInput(waiting, ground.data, first?.input as PolicyInput, noPlan);
    expect(explained?.would_pass?.ways).to.deep.equal([]);
  });

  it("says of a grant whether it lifts the stop, and names entries and rules with what they found", async () => {
    const { stopped } = await shipped("customer_support");
    const of = (name: string): Explanation => stopped.find((one) => one.name === name)?.explanation as Explanation;
    const stranger = of("another customer's invoice");
    expect(stranger.would_pass?.grant).to.equal("lifts");
    expect(stranger.would_pass?.ways.map(({ changes }) => changes.map(({ words }) => words).join())).to.include.members([
      "a grant let it",
      "customer were `ada` (it is `bob`)",
    ]);
    const refund = of("more than was paid");
    expect(refund.would_pass?.grant).to.equal("lifts_nothing");
    expect(refund.rules.find(({ code }) => code === "refund_exceeds_payment")).to.deep.include({
      fired: true,
      read: [
        { path: "resource.type", found: "payment" },
        { path: "arguments.refund_cents", found: 4901 },
        { path: "amount_cents", found: 4900 },
      ],
    });
    expect(refund.entries.map(({ code, applies }) => [code, applies])).to.deep.equal([["customer_support.allow.6", "yes"]]);
  });

  it("changes nothing of the input that it was given", async () => {
    const { ground, stopped } = await shipped("retail");
    for (const { input } of stopped.slice(0, 10)) {
      const before = JSON.stringify(input);
      await explainInput(ground.policy, ground.data, input, noPlan);
      expect(JSON.stringify(input)).to.equal(before);
    }
  });

  it("offers no way that the bundle doesn't let pass, for any of many generated inputs", async () => {
    let stops = 0;
    let ways = 0;
    for (const set of ["customer_support", "retail"]) {
      const { ground, stopped } = await shipped(set);
      const draw = drawer(set);
      for (let i = 0; i < GENERATED / 2; i++) {
        const input = varied(stopped[i % stopped.length]?.input as PolicyInput, stopped, draw);
        const evaluated: { input: PolicyInput; decision: string; proceed: boolean }[] = [];
        const watched: Pick<ActivePolicy, "evaluate" | "catalogue"> = {
          catalogue: ground.catalogue,
          evaluate: (text) => {
            const evaluation = ground.policy.evaluate(text);
            if (evaluation.ok)
              evaluated.push({ input: JSON.parse(text) as PolicyInput, ...(evaluation.result as { decision: string; proceed: boolean }) });
            return evaluation;
          },
        };
        const explained = await explainInput(watched, ground.data, input, noPlan);
        const found = explained?.would_pass?.ways ?? [];
        if (explained !== null && !explained.proceed) stops++;
        for (const way of found) {
          ways++;
          const proof = evaluated.find((one) => one.proceed && one.decision === way.decision && isMadeBy(way.changes, input, one.input));
          expect(proof, JSON.stringify({ set, i, way, input })).to.not.equal(undefined);
          const forged = way.changes.map((change) => ({ ...change, to: "nobody at all" }));
          if (way.changes.some(({ kind }) => kind === "value")) expect(isMadeBy(forged, input, proof?.input ?? input)).to.equal(false);
        }
      }
    }
    expect(stops).to.be.above(GENERATED / 3);
    expect(ways).to.be.above(GENERATED / 10);
  });
});

/** Ten thousand were run once: no way was false. */
const GENERATED = 2_000;
type Changes = NonNullable<Explanation["would_pass"]>["ways"][number]["changes"];
type Draw = (below: number) => number;

/** Numbers that are the same in each run (Park and Miller's generator). */
function drawer(seed: string): Draw {
  let state = Array.from(seed).reduce((sum, character) => sum * 31 + character.charCodeAt(0), 7) % 2_147_483_647;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

/** Returns an input with some values of others of the same place, or unknown, and at another hour. */
function varied(input: PolicyInput, others: readonly Stopped[], draw: Draw): PolicyInput {
  const made = structuredClone(input);
  const members = (value: unknown): [Record<string, unknown>, string][] =>
    typeof value !== "object" || value === null
      ? []
      : Object.entries(value).flatMap(([key, member]): [Record<string, unknown>, string][] => [
          ...(typeof member !== "object" || member === null
            ? [[value as Record<string, unknown>, key] as [Record<string, unknown>, string]]
            : []),
          ...members(member),
        ]);
  const donor = structuredClone(others[draw(others.length)]?.input as PolicyInput);
  for (const part of ["resource", "arguments"] as const) {
    const places = members(part === "resource" ? made.request.resource.attributes : made.request.arguments);
    const given = new Map(
      members(part === "resource" ? donor.request.resource.attributes : donor.request.arguments).map(([of, key]) => [key, of[key]]),
    );
    for (const [of, key] of places) {
      const drawn = draw(6);
      if (drawn === 0) of[key] = null;
      else if (drawn === 1 && typeof of[key] === "number") of[key] = of[key] + draw(20_000) - 10_000;
      else if (drawn === 2 && given.has(key)) of[key] = given.get(key);
    }
  }
  if (draw(3) === 0) made.facts.time.ms += (draw(14 * 24) - 7 * 24) * 3_600_000;
  return made;
}

/** Returns true if one input comes of another by these changes and by nothing else. */
function isMadeBy(changes: Changes, from: PolicyInput, to: PolicyInput): boolean {
  const found: { path: string; now: unknown }[] = [];
  const compare = (path: string, a: unknown, b: unknown): void => {
    if (JSON.stringify(a) === JSON.stringify(b)) return;
    const both = [a, b].every((one) => typeof one === "object" && one !== null && !Array.isArray(one));
    if (!both) found.push({ path, now: b });
    else
      for (const key of new Set([...Object.keys(a as object), ...Object.keys(b as object)]))
        compare(`${path}/${key}`, (a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]);
  };
  compare("", from, to);
  const explains = ({ kind, to: value }: Changes[number], { path, now }: { path: string; now: unknown }): boolean => {
    if (kind === "grant" || kind === "approval") return path.startsWith("/facts/grants");
    if (kind === "hour") return path.startsWith("/facts/time");
    if (kind === "behavior") return path.startsWith("/facts/behavior");
    if (path.startsWith("/facts/grants") || path.startsWith("/facts/behavior")) return false;
    return JSON.stringify(now) === JSON.stringify(value) || (Array.isArray(now) && JSON.stringify(now) === JSON.stringify([value].flat()));
  };
  return (
    changes.every((change) => found.some((one) => explains(change, one))) &&
    found.every((one) => changes.some((change) => explains(change, one)))
  );
}
