/** What wears the engine out, or makes it answer otherwise than OPA. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FORBIDDEN_BUILTINS } from "../../src/bundle/capabilities.js";
import { readUnverified } from "../../src/bundle/verify.js";
import { INSTANCE_LIMITS } from "../../src/policy/instance.js";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { compiler, KEY as BUILD_KEY } from "../build/support.js";
import { archive, content, KEYS, NAME, policyData, signed, verified } from "../bundle/support.js";
import { judgeOf, same } from "../differential/compare.js";
import { Dice } from "../differential/dice.js";
import { Draw, rulesOf } from "../differential/draw.js";
import { Stage, type Asked } from "../differential/scene.js";
import { action, FAULTS_WASM, faultsBundle, type Fault } from "../faults/support.js";
import { buildOracle, Oracle } from "../oracle/oracle.js";
import { saidOf } from "./authors.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";

const FAULTS = {
  wasm: FAULTS_WASM,
  dataText: Buffer.from("{}"),
  metadata: { entrypoint: "remit/decide", abi: "1.3" },
};
const input = (fault?: Fault): string => JSON.stringify({ request: action("n-1", fault) });

/** Some hundred leave an instance without a stack. */
const ABORTS = 600;

threat("G1", "what comes after an evaluation that aborted is answered as ever", {
  async check(tree) {
    const { PolicyInstance } = await tree("policy/instance.js");
    const instance = new PolicyInstance(await verified());
    const asked = (fault: Fault | "nothing"): string =>
      JSON.stringify({ request: { agent: "a-1", purpose: "testing", verb: "read", arguments: { do: fault } } });
    const first = JSON.stringify(instance.evaluate(asked("nothing")));
    for (let i = 0; i < ABORTS; i++) if (instance.evaluate(asked("conflict")).ok) return "what aborts was answered";
    const later = JSON.stringify(instance.evaluate(asked("nothing")));
    return later === first ? null : `after ${ABORTS} aborts: ${later}`;
  },
  without: {
    "the end of what aborted": [
      cut.text(
        "policy/instance.js",
        "#run",
        "this.#end(running); return this.#failure(running, thrown);",
        "return this.#failure(running, thrown);",
      ),
    ],
    "the stack as it was before any evaluation": [
      cut.text("policy/instance.js", "restored", "for (const [global, value] of ended.state) global.value = value;", ""),
    ],
  },
});

threat("G2", "an activation that fails leaves the running bundle answering", {
  async check(tree) {
    const { PolicyEngine } = await tree("policy/engine.js");
    const { TrustedStore } = await tree("bundle/trusted_store.js");
    const { verifyBundle } = await tree("bundle/verify.js");
    const folder = mkdtempSync(join(tmpdir(), "remit-threat-"));
    const verified = async (bytes: Buffer): ReturnType<typeof verifyBundle> =>
      await verifyBundle(bytes, { keys: KEYS, name: NAME, nowMs: system.clock.wall() });
    const trying = async (purpose: string): ReturnType<typeof verifyBundle> =>
      await verified(await archive(signed(content({ sequence: 13, expires: null }, policyData([purpose])))));
    try {
      const engine = new PolicyEngine({ trusted: await TrustedStore.open(folder), clock: system.clock });
      await engine.activate(await verified(await faultsBundle(12)));
      const state = (): string => JSON.stringify([engine.active?.identity.digest, engine.active?.evaluate(input())]);
      const before = state();
      const unkept = (): Promise<void> => Promise.reject(Object.assign(new Error("full"), { code: "unkept" }));
      const unnoted = (): Promise<void> => {
        rmSync(join(folder, "trusted.json"));
        mkdirSync(join(folder, "trusted.json"));
        writeFileSync(join(folder, "trusted.json", "in the way"), "");
        return Promise.resolve();
      };
      const next = await verified(await faultsBundle(13));
      const failing: [what: string, code: string, activate: () => Promise<unknown>][] = [
        ["a bundle that answers nothing", "self_test_failed", async () => engine.activate(await trying("undefined"))],
        ["a bundle that answers without shape", "self_test_failed", async () => engine.activate(await trying("shapeless"))],
        ["a bundle that aborts", "self_test_failed", async () => engine.activate(await trying("aborting"))],
        ["a bundle that can't be kept", "unkept", () => engine.activate(next, unkept)],
        ["a bundle whose trust can't be noted", "trust_unwritable", () => engine.activate(next, unnoted)],
      ];
      for (const [what, code, activate] of failing) {
        const found = await codeOf(activate);
        if (found !== code) return `${what}: ${found}`;
        if (state() !== before) return `${what} is refused, and something else answers than before`;
      }
      return null;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  without: {
    "a bundle being tried first": [cut.call("policy/engine.js", "#loaded", "rehearse")],
    "taking its place last": [cut.value("policy/engine.js", "#activate", "next", "this.#active = await this.#loaded(bundle)")],
  },
});

threat("G3", "what one input needs is bounded, and is given back", {
  async check(tree) {
    const { PolicyInstance } = await tree("policy/instance.js");
    // Fuel for all of it: it is memory and size that are bounded here.
    const instance = new PolicyInstance(FAULTS, { ...INSTANCE_LIMITS, evaluation_fuel_max: 1_000_000_000 });
    instance.evaluate(input());
    const before = instance.status.memory_bytes;
    instance.evaluate(input("large"));
    instance.evaluate(input());
    const kept = instance.status.memory_bytes - before;
    if (kept > 0) return `${kept} bytes stay`;
    if (instance.evaluate(input("huge")).ok) return "a result beyond the limit is answered";
    const long = JSON.stringify({ request: action("n-1"), pad: "x".repeat(INSTANCE_LIMITS.input_length_max) });
    return instance.evaluate(long).ok ? "an input beyond the limit is evaluated" : null;
  },
  without: {
    "the mark beyond which an instance is replaced": [
      cut.text(
        "policy/instance.js",
        "#isLarge",
        "return running.reached > running.heap + this.#limits.memory_pages_kept * PAGE_BYTES;",
        "return false;",
      ),
    ],
    "the limit of results": [cut.never("policy/instance.js", "textAt", "address")],
    "the limit of inputs": [cut.never("policy/instance.js", "#run", "#limits")],
  },
});

const SET = asset("rego", "policies", "customer_support");
const INPUTS = 2000;

threat("D6", "a policy is answered as OPA answers it, and can't ask for what is answered otherwise", {
  async check(tree) {
    const names = Object.keys(FORBIDDEN_BUILTINS);
    const said = new Set(await saidOf(tree, names.map((name, i) => `x${i} := ${name}()`).join("\n\n")));
    const passed = names.find((name) => !said.has(`builtin \`${name}\` may not be used`));
    if (passed !== undefined) return `${passed} may be used`;

    const { buildBundle } = await tree("bundle/build.js");
    const { PolicyInstance } = await tree("policy/instance.js");
    const settled = { key: BUILD_KEY, sequence: 1, expiresMs: null, builtMs: Date.UTC(2026, 0, 1), commit: null };
    const built = await buildBundle(await compiler(), { dir: SET, ...settled });
    const bundle = await readUnverified(built.archive);
    const instance = new PolicyInstance({ ...bundle, dataText: Buffer.from(JSON.stringify(bundle.data)) });
    const folder = mkdtempSync(join(tmpdir(), "remit-threat-"));
    writeFileSync(join(folder, "bundle.tar.gz"), built.archive);
    const oracle = new Oracle(await buildOracle(() => undefined), join(folder, "bundle.tar.gz"));
    try {
      const stage = new Stage(bundle);
      const draw = new Draw(new Dice(6), bundle.data, rulesOf(bundle));
      const asked: Asked[] = [];
      while (asked.length < INPUTS) {
        const one = await stage.ask(draw.scene());
        if (one !== null) asked.push(one);
      }
      const judged = await judgeOf(oracle)(asked.map((one) => one.input));
      for (const [i, one] of asked.entries()) {
        const evaluation = instance.evaluate(one.input);
        if (!evaluation.ok || !same(evaluation.result, judged[i]))
          return `${one.input}: ${JSON.stringify(evaluation)}, and OPA says ${JSON.stringify(judged[i])}`;
      }
      return null;
    } finally {
      await oracle.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  without: {
    "the list of builtins": [cut.text("bundle/check.js", "checkTypes", '"--capabilities", CAPABILITIES_FILE,', "")],
    "all of an input reaching the engine": [
      cut.value(
        "policy/instance.js",
        "call",
        "length",
        "write(current(running), heap); current(running).fill(0x20, heap + length - 2, heap + length - 1)",
      ),
    ],
  },
});
