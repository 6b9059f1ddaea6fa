import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { TrustedStore } from "../../src/bundle/trusted_store.js";
import { BundleError, verifyBundle } from "../../src/bundle/verify.js";
import type { Answer } from "../../src/contract/index.js";
import { PolicyEngine } from "../../src/policy/engine.js";
import { PolicyInstance, type Module } from "../../src/policy/instance.js";
import { system } from "../../src/system/index.js";
import { archive, content, KEYS, NAME, policyData, signed, wasm, type Files } from "../bundle/support.js";
import { ALL, post, run, type Running } from "../http/running.js";
import { action, FAULTS_WASM, faultsBundle, faultsData } from "./support.js";

/** Everything but ids and times, as text. */
function lasting({ decision_id, ...answer }: Answer): string {
  expect(decision_id).to.be.a("string");
  return JSON.stringify(answer);
}

const ASKED = [action("n-1"), action("n-2", "conflict"), action("n-3", "large"), action("n-4", "long")];

describe("an activation that fails at one of its steps, under decisions", () => {
  let service: Running;
  let first: string[];
  before(async () => {
    service = await run({ engine: { evaluation_fuel_max: 400_000_000 } }, await faultsBundle(12));
    first = await answers();
  });
  after(() => service.stop());

  async function answers(): Promise<string[]> {
    const response = await post(service, "/decide/batch", { actions: ASKED });
    expect(response.status).to.equal(200);
    return ((await response.json()) as { answers: Answer[] }).answers.map(lasting);
  }

  async function publish(bytes: Buffer): Promise<string> {
    const response = await fetch(`${service.url}/bundles`, {
      method: "POST",
      headers: { authorization: `Bearer ${ALL}`, "content-type": "application/gzip" },
      body: new Uint8Array(bytes),
    });
    const { code, reason } = (await response.json()) as { code?: string; reason?: string };
    return `${response.status} ${reason ?? code ?? "activated"}`;
  }

  const bundle = (files: Files): Promise<Buffer> => archive(signed(files));
  const next = (): Files => content({ sequence: 13, expires: null }, faultsData()).set("policy.wasm", FAULTS_WASM);
  const cut = (share: number): Promise<Buffer> =>
    bundle(next().set("policy.wasm", FAULTS_WASM.subarray(0, Math.floor(share * FAULTS_WASM.length))));
  const tried = (purpose: string): Promise<Buffer> => bundle(content({ sequence: 13, expires: null }, policyData([purpose])));

  /** A folder where a file is to be written fails the write for every user, root too. */
  function obstructed(...path: string[]): () => void {
    const folder = join(service.folder, ...path);
    mkdirSync(folder);
    writeFileSync(join(folder, "in the way"), "");
    return () => {
      rmSync(folder, { recursive: true });
    };
  }

  const steps: [step: string, outcome: string, bytes: () => Promise<Buffer>, obstruct?: () => () => void][] = [
    ["its module ends after half", "422 wasm_invalid", () => cut(0.5)],
    ["its module lacks its last byte", "422 wasm_invalid", () => bundle(next().set("policy.wasm", FAULTS_WASM.subarray(0, -1)))],
    ["its module is empty", "422 file_empty", () => cut(0)],
    ["it needs a function that nobody hosts", "422 wasm_builtin", () => bundle(next().set("policy.wasm", wasm("builtin")))],
    ["it answers nothing when tried", "422 self_test_failed", () => tried("undefined")],
    ["it answers another shape when tried", "422 self_test_failed", () => tried("shapeless")],
    ["it aborts when tried", "422 self_test_failed", () => tried("aborting")],
    ["its file can't be kept", "422 file_unwritable", () => bundle(next()), () => obstructed("bundle.tar.gz.new")],
    ["its trust can't be noted", "422 trust_unwritable", () => bundle(next()), () => obstructed("state", "trusted.json.new")],
  ];

  for (const [step, outcome, bytes, obstruct] of steps) {
    it(`leaves the old bundle answering to the bit: ${step}`, async () => {
      const made = await bytes();
      const clear = obstruct?.();
      try {
        const state = { over: false };
        const during = (async () => {
          const found: string[][] = [];
          do found.push(await answers());
          while (!state.over);
          return found;
        })();
        const said = await publish(made);
        state.over = true;
        const found = await during;
        expect(said).to.equal(outcome);
        expect([...found, await answers()].filter((texts) => texts.join() !== first.join())).to.deep.equal([]);
      } finally {
        clear?.();
      }
    });
  }

  it("keeps nothing from activating once it is well, and then the answers name it", async () => {
    expect(await publish(await bundle(next()))).to.equal("200 activated");
    const later = await answers();
    expect(later).not.to.deep.equal(first);
    const unnamed = (texts: string[]): string[] => texts.map((text) => text.replace(/"policy":\{.*?\}/, ""));
    expect(unnamed(later)).to.deep.equal(unnamed(first));
  });
});

describe("an instance that fails to load beside one that runs", () => {
  let folder: string;
  let engine: PolicyEngine;
  /** What happens to the next module that is loaded. */
  let fault: (module: Module) => Module;
  const inputs = ASKED.map((request) => JSON.stringify({ request }));
  const well: (module: Module) => Module = (module) => module;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-faults-"));
    fault = well;
    const load = (bundle: Module): PolicyInstance => new PolicyInstance(fault(bundle));
    engine = new PolicyEngine({ trusted: await TrustedStore.open(folder), clock: system.clock, load });
    await engine.activate(await verified(12));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  async function verified(sequence: number): ReturnType<typeof verifyBundle> {
    return await verifyBundle(await faultsBundle(sequence), { keys: KEYS, name: NAME, nowMs: system.clock.wall() });
  }

  function evaluations(): string {
    const { active } = engine;
    if (active === null) throw new Error("nothing is active");
    return JSON.stringify(inputs.map((input) => active.evaluate(input)));
  }

  const faults: [what: string, code: string, fault: (module: Module) => Module][] = [
    ["data that ends early", "engine_memory", (m) => ({ ...m, dataText: m.dataText.subarray(0, m.dataText.length / 2) })],
    ["data that is none", "engine_memory", (m) => ({ ...m, dataText: Buffer.from("nothing") })],
    ["data of nothing", "engine_memory", (m) => ({ ...m, dataText: Buffer.alloc(0) })],
    ["a module cut short", "wasm_invalid", (m) => ({ ...m, wasm: m.wasm.subarray(0, 1000) })],
    ["an entrypoint that isn't there", "wasm_entrypoint", (m) => ({ ...m, metadata: { ...m.metadata, entrypoint: "x/y" } })],
    ["another ABI", "abi_unsupported", (m) => ({ ...m, metadata: { ...m.metadata, abi: "1.2" } })],
  ];

  for (const [what, code, broken] of faults) {
    it(`is refused with ${code}, and what runs answers to the bit: ${what}`, async () => {
      const running = engine.active;
      const first = evaluations();
      fault = broken;
      const thrown: unknown = await engine.activate(await verified(13)).catch((error: unknown) => error);
      expect(thrown).to.be.instanceOf(BundleError);
      expect((thrown as BundleError).code).to.equal(code);
      expect(evaluations()).to.equal(first);
      expect(engine.active).to.equal(running);
      fault = well;
      expect((await engine.activate(await verified(13))).sequence).to.equal(13);
      expect(evaluations()).to.equal(first);
    });
  }
});
