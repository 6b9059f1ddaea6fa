/** The judge of hostile runs says something where something is wrong: else a run without violations would say nothing. */
import { expect } from "chai";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findOpa } from "../../src/bundle/opa.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { Problem, type Answer, type PolicyInput } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { Dice } from "../differential/dice.js";
import { Client, type Outcome, type Received } from "./client.js";
import { ATTACKING, host, type Hosted } from "./host.js";
import { Judge } from "./judge.js";
import { Requests, type Exchange } from "./requests.js";
import { makeWorld, type World } from "./world.js";

const BUNDLE = "customer_support";
const archive = asset("bundles", `${BUNDLE}.tar.gz`);

interface Pair {
  answer: Answer;
  record: { kind: string; input: PolicyInput; answer: Answer };
  exchange: Exchange;
}

describe("the judge of hostile runs", function () {
  this.timeout(900_000);
  let [folder, digest]: [string, string] = ["", ""];
  let world: World;
  let service: Hosted;
  let good: Pair;

  function judge(records: string): Promise<Judge> {
    return findOpa().then((opa) => new Judge({ opa, archive, world, caller: "hostile", records, digest }));
  }

  const received = (body: unknown, status = 200, type = "application/json"): Outcome => ({
    answers: [{ status, headers: new Map([["content-type", type]]), body: JSON.stringify(body) } satisfies Received],
    fault: null,
    reset: false,
  });

  /** What the judge says of an answer and the record beside it. */
  async function rules(answer: Answer, record: object | null, exchange = good.exchange): Promise<string[]> {
    const records = mkdtempSync(join(folder, "records-"));
    appendFileSync(join(records, "1.jsonl"), record === null ? "" : `${JSON.stringify(record)}\n`);
    const on = await judge(records);
    on.met(exchange, received(answer));
    await on.settle();
    return on.violations.map(({ rule }) => rule);
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-judge-"));
    const bytes = readFileSync(archive);
    const bundle = await readUnverified(bytes);
    ({ digest } = bundle.identity);
    const dice = new Dice(1);
    world = makeWorld(bundle, dice, Date.now());
    service = await host(BUNDLE, world, false);
    const tokens = { all: service.token("hostile", ATTACKING), decide: service.token("hostile", ["remit:decide"]) };
    const made = new Requests(dice, { world, tokens, bundle: bytes, body_bytes_max: 65_536 });
    const client = new Client(service.port);
    for (let found: Pair | null = null; found === null;) {
      const exchange = made.next();
      const { answers } = await client.send(exchange);
      if (exchange.kind !== "valid" || exchange.what !== "/decide") continue;
      const answer = JSON.parse(answers[0]?.body ?? "") as Answer;
      const lines = readFileSync(join(service.records, "0000000000000001.jsonl"), "utf8").trimEnd().split("\n");
      const record = lines
        .map((line) => JSON.parse(line) as Pair["record"])
        .find((one) => one.kind === "decision" && one.answer.decision_id === answer.decision_id);
      // A deny of the policy's own: what it would take to turn it into a yes is known.
      if (answer.decision === "deny" && record?.input !== undefined) good = found = { answer, record, exchange };
    }
    client.close();
  });
  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has nothing against what a service answered and recorded", async () => {
    expect(await rules(good.answer, good.record)).to.deep.equal([]);
  });

  it("finds a permission that OPA doesn't give, even where it is recorded so", async () => {
    const answer: Answer = { ...good.answer, decision: "allow", proceed: true };
    expect(await rules(answer, { ...good.record, answer })).to.include("verdict");
  });

  it("finds reasons that OPA doesn't give", async () => {
    const answer: Answer = { ...good.answer, reasons: [] };
    expect(await rules(answer, { ...good.record, answer })).to.deep.equal(["verdict"]);
  });

  it("finds an answer without a record", async () => {
    expect(await rules(good.answer, null)).to.deep.equal(["record"]);
  });

  it("finds an answer that is recorded otherwise", async () => {
    const answer: Answer = { ...good.answer, valid_for_ms: 1 };
    expect(await rules(answer, good.record)).to.deep.equal(["record"]);
  });

  it("finds a decision on something else than was asked", async () => {
    const { input } = good.record;
    const other = { ...good.record, input: { ...input, request: { ...input.request, agent: "somebody" } } };
    expect(await rules(good.answer, other)).to.include("subject");
  });

  const outcomes: [string, string, () => Outcome][] = [
    ["a 5xx, documented or not", "status", () => received(new Problem("log_unavailable"), 503, "application/problem+json")],
    ["a refusal of what is valid", "status", () => received(new Problem("field_type"), 400, "application/problem+json")],
    ["a problem under another status", "answer", () => received(new Problem("field_type"), 404, "application/problem+json")],
    ["a code that isn't documented", "answer", () => received({ code: "oops", status: 400 }, 400, "application/problem+json")],
    ["a problem of another type", "answer", () => received(new Problem("field_type"), 400)],
    ["a stack", "leak", () => received(new Problem("field_type", { hint: "at read (/x/read.js:1)" }), 400, "application/problem+json")],
    ["a connection that ends without an answer", "unanswered", () => ({ answers: [], fault: "0 answers to 1 requests", reset: false })],
  ];
  for (const [what, rule, outcome] of outcomes) {
    it(`finds ${what}`, async () => {
      const on = await judge(folder);
      on.met(good.exchange, outcome());
      expect(on.violations.map((violation) => violation.rule)).to.include(rule);
    });
  }
});
