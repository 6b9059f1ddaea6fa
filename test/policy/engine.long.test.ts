import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import { BundleError, verifyBundle, type VerifiedBundle } from "../../src/bundle/verify.js";
import { PolicyEngine } from "../../src/policy/engine.js";
import { compileAhead } from "../../src/policy/modules.js";
import { INSTANCE_LIMITS, PolicyInstance, type InstanceLimits } from "../../src/policy/instance.js";
import type { Clock } from "../../src/system/index.js";
import { archive, content, KEYS, NAME, NOW_MS, policyData, signed, verified, wasm } from "../bundle/support.js";

const clock: Clock = { wall: () => NOW_MS, monotonic: () => 0 };

async function withModule(module: Buffer, changes: Parameters<typeof content>[0] = {}): Promise<VerifiedBundle> {
  const bytes = await archive(signed(content(changes).set("policy.wasm", module)));
  return await verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: NOW_MS });
}

/** The module with a text in its data replaced by another of the same length. */
function renamed(from: string, to: string): Buffer {
  const module = wasm("engine");
  let found = 0;
  for (let at = module.indexOf(from); at >= 0; at = module.indexOf(from, at + 1), found++) module.write(to, at, "latin1");
  if (found === 0) throw new Error(`the module does not say ${from}`);
  return module;
}

/** A module (WebAssembly 1.0) of one import of a function without parameters. */
function importing(from: string, name: string): Buffer {
  const text = (value: string): number[] => [value.length, ...Buffer.from(value)];
  const imported = [1, ...text(from), ...text(name), 0, 0];
  return Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, imported.length, ...imported]);
}

async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof BundleError) return error.code;
    throw error;
  }
  return "accepted";
}

function input(args: Record<string, unknown> = { do: "nothing" }, agent = "support-7"): string {
  return JSON.stringify({ request: { agent, purpose: "testing", verb: "read", arguments: args } });
}

/** Fuel for what is bounded by memory and size. */
const MUCH = 1e9;

const words = (count: number): string[] => Array.from({ length: count }, (_, index) => `item ${index}`);

describe("a policy's instance", () => {
  let bundle: VerifiedBundle;
  before(async () => {
    bundle = await verified();
  });

  const right = (instance: PolicyInstance, agent = "support-7"): void => {
    expect(instance.evaluate(input({ do: "nothing" }, agent))).to.deep.include({
      ok: true,
      result: {
        decision: "allow",
        proceed: true,
        reasons: [{ effect: "allow", code: "permitted", severity: "info", params: { agent, subjects: ["customer"] } }],
        obligations: [],
      },
    });
  };

  it("answers from its input and its data", () => {
    const instance = new PolicyInstance(bundle);
    for (const agent of ["a", "ä", "\u{1f600}", "x".repeat(100_000), '"\\\u0000\n']) right(instance, agent);
  });

  it("answers as many as come without growing or being rebuilt", () => {
    const instance = new PolicyInstance(bundle);
    right(instance);
    const { memory_bytes } = instance.status;
    for (let i = 0; i < 5000; i++) right(instance, `agent-${i}`);
    expect(instance.status.builds).to.equal(1);
    expect(instance.status.memory_bytes).to.be.below(memory_bytes + 100);
  });

  const FAULTS: [string, string, RegExp][] = [
    ["a conflict of rules", input({ do: "conflict" }), /conflict/],
    ["an undefined answer", input({ do: "undefined" }), /undefined/],
    ["half a surrogate pair", input().replace("support-7", "\\ud800"), /illegal string/],
    ["memory beyond its bound", input({ do: "memory", items: words(2000) }), /memory|grow|malloc/i],
    ["a result beyond its bound", input({ do: "echo", items: Array.from({ length: 300 }, () => "y".repeat(1000)) }), /result is larger/],
    ["an input beyond its bound", input({}, "x".repeat(INSTANCE_LIMITS.input_length_max)), /input is larger/],
    ["no input", "", /not an object/],
    ["an object without members", "{}", /not an object/],
    ["null", "null", /not an object/],
    ["a list", "[{}]", /not an object/],
    ["a byte order mark", `\ufeff${input()}`, /not an object/],
  ];
  for (const [what, text, detail] of FAULTS) {
    it(`fails at ${what}, says so, and answers the next one rightly`, () => {
      const instance = new PolicyInstance(bundle, { ...INSTANCE_LIMITS, evaluation_fuel_max: MUCH });
      const evaluation = instance.evaluate(text);
      expect(evaluation).to.include({ ok: false, code: "evaluation_failed" });
      expect(evaluation.ok ? "" : evaluation.detail).to.match(detail);
      right(instance);
    });
  }

  it("outlives more aborts than one module survives, each followed by a right answer, in little more than the same memory", () => {
    const instance = new PolicyInstance(bundle);
    right(instance);
    const { memory_bytes } = instance.status;
    for (let i = 0; i < 600; i++) {
      expect(instance.evaluate(input({ do: "conflict" })).ok).to.equal(false);
      right(instance, `agent-${i}`);
    }
    const { status } = instance;
    // Once more, to have the memory as it was; after that it is copied.
    expect(status.builds).to.equal(2);
    expect(status.memory_bytes).to.be.below(memory_bytes + 65_536);
  });

  it("fails at every fault again and again as it did at first, with a right answer after each", () => {
    const instance = new PolicyInstance(bundle);
    const first = FAULTS.map(([, text]) => new PolicyInstance(bundle).evaluate(text));
    for (let i = 0; i < 3; i++) {
      for (const [at, [, text]] of FAULTS.entries()) {
        expect(instance.evaluate(text)).to.deep.equal(first[at]);
        right(instance, `agent-${i}`);
      }
    }
  });

  it("gives back the memory that one large input took", () => {
    const limits: InstanceLimits = { ...INSTANCE_LIMITS, evaluation_fuel_max: MUCH, memory_pages_kept: 2 };
    const instance = new PolicyInstance(bundle, limits);
    right(instance);
    const { memory_bytes } = instance.status;
    expect(instance.evaluate(input({ do: "nothing", items: words(20_000) })).ok).to.equal(true);
    right(instance);
    expect(instance.status).to.deep.equal({ builds: 2, memory_bytes });
  });

  it("keeps an instance that grew within the mark", () => {
    const instance = new PolicyInstance(bundle);
    instance.evaluate(input({ do: "nothing", items: words(2000) }));
    right(instance);
    expect(instance.status.builds).to.equal(1);
  });
});

const REFUSED: [string, string, () => Promise<VerifiedBundle>][] = [
  ["a module cut short", "wasm_invalid", () => withModule(wasm("engine").subarray(0, 5000))],
  ["a module that wants a file", "wasm_imports", () => withModule(importing("wasi_snapshot_preview1", "fd_write"))],
  ["a module that wants another host function", "wasm_imports", () => withModule(importing("env", "opa_fetch"))],
  ["a module that is no policy", "wasm_invalid", () => withModule(importing("env", "opa_abort").subarray(0, 14))],
  ["a module of another ABI than it says", "abi_unsupported", () => withModule(wasm("engine"), { abi: "1.2" })],
  ["a builtin that is not hosted", "wasm_builtin", () => withModule(wasm("builtin"))],
  ["another entrypoint", "wasm_entrypoint", () => withModule(renamed("remit/decide", "remit/decode"))],
  ["an undefined answer for one purpose", "self_test_failed", () => verified({}, policyData(["testing", "undefined"]))],
  ["an answer of another shape", "self_test_failed", () => verified({}, policyData(["testing", "shapeless"]))],
  ["an abort", "self_test_failed", () => verified({}, policyData(["testing", "aborting"]))],
];

describe("the engine", () => {
  let folder: string;
  let trusted: TrustedStore;
  let engine: PolicyEngine;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "remit-engine-"));
    trusted = await TrustedStore.open(folder);
    engine = new PolicyEngine({ trusted, clock, prepare: ({ wasm }) => compileAhead(wasm) });
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it("has nothing active until a bundle is", async () => {
    expect(engine.active).to.equal(null);
    const identity = await engine.activate(await verified());
    expect(engine.active?.identity).to.equal(identity);
    expect(engine.active?.purposes.get("testing")?.owner).to.equal("tests");
    expect(engine.active?.evaluate(input()).ok).to.equal(true);
  });

  for (const [what, code, make] of REFUSED) {
    it(`refuses ${what} (${code}); the running one goes on, and nothing is noted`, async () => {
      const running = await engine.activate(await verified({ sequence: 11 }));
      const bad = await make();
      expect(await codeOf(() => engine.activate(bad))).to.equal(code);
      expect(engine.active?.identity).to.equal(running);
      expect(engine.active?.evaluate(input()).ok).to.equal(true);
      expect(trusted.trusted(NAME)?.sequence).to.equal(11);
    });
  }

  it("prepares a bundle while another one decides, and not the first, for which everybody waits", async () => {
    const prepared: (number | undefined)[] = [];
    const preparing = new PolicyEngine({
      trusted,
      clock,
      prepare: () => {
        prepared.push(preparing.active?.identity.sequence);
        return Promise.resolve();
      },
    });
    for (const sequence of [11, 12, 13]) await preparing.activate(await verified({ sequence }));
    expect(prepared).to.deep.equal([11, 12]);
  });

  it("refuses an older bundle, and the same sequence with other content", async () => {
    await engine.activate(await verified());
    expect(await codeOf(async () => engine.activate(await verified({ sequence: 11 })))).to.equal("bundle_older");
    expect(await codeOf(async () => engine.activate(await verified({ builder: "another" })))).to.equal("bundle_changed");
  });

  it("refuses them after a restart too", async () => {
    await engine.activate(await verified());
    const restarted = new PolicyEngine({ trusted: await TrustedStore.open(folder), clock });
    expect(await codeOf(async () => restarted.activate(await verified({ sequence: 11 })))).to.equal("bundle_older");
    expect(restarted.active).to.equal(null);
    await restarted.activate(await verified());
    expect(restarted.active?.identity.sequence).to.equal(12);
  });

  it("notes a bundle on disk before it decides", async () => {
    let noted: number | undefined;
    let decided: number | undefined;
    const advance = trusted.advance.bind(trusted);
    trusted.advance = async (identity, before) => {
      await advance(identity, before);
      noted = (await TrustedStore.open(folder)).trusted(NAME)?.sequence;
      decided = engine.active?.identity.sequence;
    };
    await engine.activate(await verified({ sequence: 11 }));
    await engine.activate(await verified());
    expect({ noted, decided }).to.deep.equal({ noted: 12, decided: 11 });
  });

  it("stays with the running one where the note cannot be written", async () => {
    await engine.activate(await verified({ sequence: 11 }));
    await rm(folder, { recursive: true });
    expect(await codeOf(async () => engine.activate(await verified()))).to.equal("trust_unwritable");
    expect(engine.active?.identity.sequence).to.equal(11);
  });

  it("takes concurrent activations one after the other", async () => {
    const bundles = await Promise.all([11, 14, 12, 13].map((sequence) => verified({ sequence })));
    const outcomes = await Promise.all(bundles.map((bundle) => codeOf(() => engine.activate(bundle))));
    expect(outcomes).to.deep.equal(["accepted", "accepted", "bundle_older", "bundle_older"]);
    expect(engine.active?.identity.sequence).to.equal(14);
  });

  it("does not take an object that only looks verified", async () => {
    const copy = Object.assign({}, await verified());
    const error: unknown = await engine.activate(copy).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(TypeError);
    expect(engine.active).to.equal(null);
  });

  it("lets a decision that began on one bundle end on it", async () => {
    await engine.activate(await verified({ sequence: 11 }));
    const policy = engine.active;
    await engine.activate(await verified());
    expect(policy?.evaluate(input()).ok).to.equal(true);
    expect(policy?.identity.sequence).to.equal(11);
  });
});
