import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { findOpa, type Opa } from "../src/bundle/opa.js";
import { FLOOR_CODES, type FloorCode, type PolicyInput } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import { Golden, GoldenEmbedded, GoldenService, comparable, readGolden, type GoldenCase, type Outcome } from "./golden.js";

const CASES = asset("test", "cases");
/** What a case doesn't have: revocations, tokens of agents and tasks, their principals, narrowings. `decision/chain.test.ts` and `decision/narrowed.test.ts` do. */
const BEYOND_A_CASE: ReadonlySet<FloorCode> = new Set([
  "everything_revoked",
  "token_revoked",
  "owner_revoked",
  "principal_revoked",
  "narrowed_to_read",
  "narrowed_to_task",
  "narrowed_rate",
  "agent_token_required",
  "agent_token_expired",
  "agent_token_mismatch",
  "agent_token_stale",
  "actor_stopped",
  "purpose_revoked",
  "task_token_mismatch",
  "task_token_expired",
  "task_revoked",
  "caller_revoked",
  "principal_mismatch",
]);
const FILES = readdirSync(CASES).filter((name) => name.endsWith(".yaml"));

describe("golden cases", function () {
  let opa: Opa;
  before(async () => {
    opa = await findOpa();
  });

  it("has a case for every row of the floor, under a bundle that permits everything", () => {
    const { cases } = readGolden(join(CASES, "allow_everything.yaml"));
    const codes = cases.flatMap(({ answer }) => answer.reasons ?? []).map((reason) => reason.replace("deny ", ""));
    expect(FLOOR_CODES.filter((code) => !codes.includes(code) && !BEYOND_A_CASE.has(code))).to.deep.equal([]);
    expect(codes.filter((code) => !/^allow /.test(code) && !(FLOOR_CODES as string[]).includes(code))).to.deep.equal([]);
  });

  for (const name of FILES) {
    describe(name, () => {
      const file = readGolden(join(CASES, name));
      let golden: Golden | null = null;
      let service: GoldenService | null = null;
      let embedded: GoldenEmbedded | null = null;
      /** By `opa eval`; asked for all inputs in one go. */
      const byOpa = new Map<GoldenCase, Outcome>();

      before(async () => {
        golden = await Golden.build(file, opa);
        const inputs: PolicyInput[] = [];
        for (const each of file.cases) {
          const { record } = await golden.decide(each);
          if (record["input"] !== undefined) inputs.push(record["input"] as PolicyInput);
        }
        expect(inputs, "some reach the policy").not.to.be.empty;
        const policy = await golden.byOpa(opa, inputs);
        for (const each of file.cases) byOpa.set(each, await golden.decide(each, policy));
        service = new GoldenService(golden);
        await service.start();
        embedded = new GoldenEmbedded(golden);
      });
      after(async () => {
        await embedded?.stop();
        await service?.stop();
        golden?.close();
      });

      const world = (): { golden: Golden; service: GoldenService; embedded: GoldenEmbedded } => {
        if (golden === null || service === null || embedded === null) throw new Error("not built");
        return { golden, service, embedded };
      };

      for (const each of file.cases) {
        it(each.name, async () => {
          const byWasm = await world().golden.decide(each);
          holds(each, byWasm);
          expect(comparable(byOpa.get(each) as Outcome), "as OPA's own evaluator answers").to.deep.equal(comparable(byWasm));
          if (!world().golden.isForService(each)) return;
          const byHttp = await world().service.decide(each);
          expect(comparable(byHttp), "as the service answers").to.deep.equal(comparable(byWasm));
          const inProcess = await world().embedded.decide(each);
          expect(comparable(inProcess), "as the engine in an application answers").to.deep.equal(comparable(byWasm));
        });
      }
    });
  }

  it("refuses a case that says what nobody checks", () => {
    expect(() => readGolden(asset("rego", "policies", "customer_support", "vocabulary.yaml"))).to.throw(/unknown key/);
  });
});

/** An answer without the digest of what waits: it is of the bundle too, which is built anew for each change of its sources. */
function withoutDigest(answer: Outcome["answer"]): object {
  return JSON.parse(JSON.stringify(answer, (key, value: unknown) => (key === "approval_digest" ? undefined : value))) as object;
}

/** That the outcome is what the case wants. */
function holds({ answer: wanted, record }: GoldenCase, outcome: Outcome): void {
  const { reasons, message, obligations = [], ...fields } = wanted;
  const { answer } = outcome;
  const codes = answer.reasons.map(({ effect, code }) => `${effect} ${code}`);
  if (reasons !== undefined) expect(codes).to.deep.equal(reasons);
  expect(withoutDigest(answer)).to.deep.include(fields);
  expect(answer.obligations).to.deep.equal(obligations);
  if (message !== undefined) expect(answer.reasons[0]?.message).to.equal(message);
  holdsPart(outcome.record, record, "record");
  expect(outcome.record["answer"], "the record holds the answer").to.deep.equal(answer);
  expect("input" in outcome.record, "asked the policy, or stopped at the floor").to.equal(!("floor" in outcome.record));
}

/** Every member that is wanted is there, and as wanted; lists are compared whole. */
function holdsPart(got: unknown, wanted: unknown, path: string): void {
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) {
    expect(got, path).to.deep.equal(wanted);
    return;
  }
  expect(got, path).to.be.an("object");
  for (const [key, member] of Object.entries(wanted)) holdsPart((got as Record<string, unknown>)[key], member, `${path}.${key}`);
}
