import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import { readUnverified, verifyBundle, type VerifiedBundle } from "../../src/bundle/verify.js";
import type { Answer, Entries, PolicyData } from "../../src/contract/index.js";
import { decider, type Decided } from "../../src/decision/decide.js";
import type { ActivePolicy, Agent, Caller, Engine } from "../../src/decision/ports.js";
import { NO_TOKEN, knownCaller, fixedFacts, fixedProfile } from "../../src/decision/fixed_ports.js";
import { PolicyEngine } from "../../src/policy/engine.js";
import { systemRandom, systemTimers, type Clock } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { archive, catalogue, content, KEYS, json, NAME, NOW_MS, policyData, purpose, signed } from "../bundle/support.js";

const SWAPS = 200;
const clock: Clock = { wall: () => NOW_MS, monotonic: () => 0 };
const CALLER: Caller = { id: "gateway-1", scopes: new Set(["remit:decide"] as const), token: NO_TOKEN };
const AGENT: Agent = {
  id: "a-1",
  version: "1",
  owner: "tests",
  purposes: new Set(["testing"]),
  attributes: {},
  status: "active",
  registered_ms: 0,
  token_required: false,
};
const REQUEST = {
  agent: "a-1",
  purpose: "testing",
  verb: "read",
  resource: { type: "note", id: "n-1", attributes: { customer: "ada" } },
  /** Newer facts than there are: a decision waits for them, between taking its policy and evaluating. */
  at_least: 1,
};
const BODY = Buffer.from(JSON.stringify(REQUEST));
const BATCH = Buffer.from(JSON.stringify({ actions: [REQUEST, REQUEST] }));

/** A policy that permits the request, or one that never does, by the library that ships. */
function dataFor(verdict: "allow" | "deny"): PolicyData {
  const effect = verdict;
  const code = verdict === "allow" ? "permitted" : "forbidden";
  const entries: Entries = {
    note: {
      read: [{ about: "any", when: [], reason: { effect, code, severity: "info", params: {} }, obligations: [] }],
    },
  };
  const one = { ...purpose(), allow: {}, ...(verdict === "allow" ? { allow: entries } : { never: entries }) };
  return { ...policyData(), purposes: { testing: one } };
}

/** Bundles of rising sequence that permit and refuse in turn. */
async function bundles(count: number): Promise<VerifiedBundle[]> {
  const { wasm } = await readUnverified(await readFile(asset("bundles", "retail.tar.gz")));
  const entries = catalogue();
  const texts = { ...entries, forbidden: { ...entries["permitted"], effect: "deny", title: "forbidden" } };
  return Promise.all(
    Array.from({ length: count }, async (_, sequence) => {
      const files = content({ sequence }, dataFor(sequence % 2 === 0 ? "allow" : "deny"));
      files.set("policy.wasm", wasm).set("catalogue.json", json(texts));
      return await verifyBundle(await archive(signed(files)), { keys: KEYS, name: NAME, nowMs: NOW_MS });
    }),
  );
}

interface Swapped {
  answers: Answer[];
  /** Answers that were begun before a swap and ended after it. */
  spanning: Answer[];
}

/**
 * Activates each bundle in turn while decisions are under way. Those that begin before a swap are evaluated after it,
 * on the policy that `choose` takes of the one they began with and the one that is active by then.
 */
async function swapThrough(
  engine: PolicyEngine,
  [first, ...rest]: VerifiedBundle[],
  choose: (began: ActivePolicy, active: ActivePolicy) => ActivePolicy,
): Promise<Swapped> {
  if (first === undefined) throw new Error("no bundle to begin with");
  await engine.activate(first);
  let swap: Promise<unknown> = Promise.resolve();
  const port: Engine = {
    get active() {
      const began = engine.active;
      if (began === null) return null;
      return { ...began, evaluate: (input: string) => choose(began, engine.active ?? began).evaluate(input) };
    },
  };
  const { decide, decideBatch, decideAction } = decider({
    system: { clock, random: systemRandom, timers: systemTimers },
    identity: knownCaller(CALLER),
    engine: port,
    facts: {
      ...fixedFacts({ agent: () => AGENT, task: () => undefined }),
      revision: 0,
      reached: () => swap.then(() => true),
    },
    log: { seq: 0, append: () => new Promise((resolve) => setImmediate(resolve)) },
    profile: fixedProfile(),
    limits: {
      body_bytes_max: 4096,
      depth_max: 16,
      members_max: 64,
      batch_actions_max: 2,
      time_skew_max_ms: 0,
      approval_wait_ms: 1,
      chained_tasks_max: 1000,
    },
  });
  const ask = async (): Promise<Answer[]> => {
    const decided: (Decided | Decided[])[] = await Promise.all([
      decide(BODY, undefined),
      decideBatch(BATCH, undefined),
      decideAction(REQUEST, CALLER),
    ]);
    return decided.flat().map(({ answer }) => answer);
  };
  const swapped: Swapped = { answers: [], spanning: [] };
  for (const next of rest) {
    swap = engine.activate(next);
    const before = ask();
    // In the middle of it: the note is being written.
    await new Promise((resolve) => setImmediate(resolve));
    const during = ask();
    await swap;
    const spanning = await before;
    swapped.spanning.push(...spanning);
    swapped.answers.push(...spanning, ...(await during), ...(await ask()));
  }
  return swapped;
}

/** What is wrong with these answers: each must give the verdict of the bundle that it names. */
function mixed(answers: Answer[], made: VerifiedBundle[]): string[] {
  const verdicts = new Map(made.map(({ identity }, i) => [identity.digest, i % 2 === 0 ? "allow" : "deny"]));
  return answers
    .filter(({ decision, policy, reasons }) => {
      const code = decision === "allow" ? "permitted" : "forbidden";
      return decision !== verdicts.get(policy.digest) || reasons.length !== 1 || reasons[0]?.code !== code;
    })
    .map(({ decision, reasons, policy }) => `${decision} ${reasons[0]?.code} by sequence ${policy.sequence}`);
}

describe("swapping bundles under decisions", () => {
  let folder: string;
  let engine: PolicyEngine;
  let made: VerifiedBundle[];
  before(async () => {
    made = await bundles(SWAPS + 1);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-swap-"));
    engine = new PolicyEngine({ trusted: await TrustedStore.open(folder), clock });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it(`fails, drops and mixes none over ${SWAPS} swaps of opposite verdicts`, async () => {
    const { answers, spanning } = await swapThrough(engine, made, (began) => began);
    expect(answers.length).to.equal(SWAPS * 3 * 4);
    expect(mixed(answers, made)).to.deep.equal([]);
    // They did begin on the bundle before and end after it had been replaced.
    expect(spanning.map(({ policy }) => policy.sequence)).to.deep.equal(Array.from({ length: SWAPS * 4 }, (_, i) => Math.floor(i / 4)));
    expect(new Set(answers.map(({ policy }) => policy.digest)).size).to.equal(SWAPS + 1);
  });

  it("would be caught mixing: evaluating on whatever is active", async () => {
    const { spanning } = await swapThrough(engine, made.slice(0, 11), (_began, active) => active);
    expect(mixed(spanning, made).length).to.equal(spanning.length);
  });
});
