import { readdirSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { expect } from "chai";
import { BundleError, readUnverified, type UnverifiedBundle } from "../../src/bundle/verify.js";
import { INSTANCE_LIMITS, PolicyInstance, type Module } from "../../src/policy/instance.js";
import { ABORT_EXPORT, FUEL_EXPORT, metered } from "../../src/policy/metering.js";
import { encodeU32 } from "../../src/policy/wasm/reader.js";
import { asset } from "../../src/system/paths.js";
import { Dice } from "../differential/dice.js";
import { chargePrograms } from "./charges.js";
import { drawInputs } from "./inputs.js";
import { PlainInstance } from "./plain.js";

const fixture = (name: string): Buffer => readFileSync(asset("test", "fixtures", `${name}.wasm`));
const shipped = (set: string): Promise<UnverifiedBundle> => readUnverified(readFileSync(asset("bundles", `${set}.tar.gz`)));
const SETS = ["customer_support", "retail"];
const valid = (wasm: Uint8Array): boolean => WebAssembly.validate(wasm);

const moduleOf = (wasm: Uint8Array, data: unknown = {}): Module => ({
  wasm,
  dataText: Buffer.from(JSON.stringify(data)),
  metadata: { entrypoint: "remit/decide", abi: "1.3" },
});
const RUNAWAY = moduleOf(fixture("runaway"), { numbers: Array.from({ length: 300 }, (_, i) => i) });
const asks = (n: number): string => JSON.stringify({ request: { n } });
const faulty = (fault: string): string =>
  JSON.stringify({ request: { agent: "a", purpose: "p", resource: { id: "n-1" }, arguments: { do: fault } } });

/** A module of one function without parameters and results, exported as `f`. */
function moduleWith(code: number[], { memory = false, name = "f" } = {}): Uint8Array {
  const section = (id: number, bytes: number[]): number[] => [id, bytes.length, ...bytes];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...(memory ? section(5, [1, 0, 1]) : []),
    ...section(7, [1, name.length, ...Buffer.from(name), 0, 0]),
    ...section(10, [1, code.length + 2, 0, ...code, 0x0b]),
  ]);
}

type Part = [id: number, bytes: number[]];

function sections(...parts: Part[]): Uint8Array {
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...parts.flatMap(([id, bytes]) => [id, ...encodeU32(bytes.length), ...bytes]),
  ]);
}

/** One function of no parameters and results, without anything in it. */
const [TYPE, ONE, BODY]: [Part, Part, Part] = [
  [1, [1, 0x60, 0, 0]],
  [3, [1, 0]],
  [10, [1, 2, 0, 0x0b]],
];

/** A module with one import, of a function of one number, and a function that calls it with 0x7ffffff0. */
function importing(name: string, ...more: Part[]): Uint8Array {
  const code = [0, 0x41, 0xf0, 0xff, 0xff, 0xff, 7, 0x10, 0, 0x0b];
  return sections(
    [1, [2, 0x60, 1, 0x7f, 0, 0x60, 0, 0]],
    [2, [1, 3, ...Buffer.from("env"), name.length, ...Buffer.from(name), 0, 0]],
    [3, [1, 1]],
    ...more,
    [10, [1, code.length, ...code]],
  );
}

function deep(structures: number): Part {
  const open = Array.from({ length: structures }, () => [0x02, 0x40]).flat();
  const body = [0, ...open, ...Array.from({ length: structures + 1 }, () => 0x0b)];
  return [10, [1, ...encodeU32(body.length), ...body]];
}

/** Units that calling a module's `f` takes. */
function unitsOf(wasm: Uint8Array): number {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(metered(wasm)), {});
  const fuel = exports[FUEL_EXPORT] as WebAssembly.Global & { value: bigint };
  const before = fuel.value;
  (exports["f"] as () => void)();
  return Number(before - fuel.value);
}

const ENDLESS = [0x03, 0x40, 0x0c, 0, 0x0b];

/** Runs a module's `f` with a million units in a thread that is ended after a while. @returns how it ended */
async function ending(wasm: Uint8Array): Promise<string> {
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(workerData), {});
    exports["${FUEL_EXPORT}"].value = 1000000n;
    parentPort.postMessage("began");
    try { exports.f(); parentPort.postMessage("ended"); }
    catch (error) { parentPort.postMessage(exports["${FUEL_EXPORT}"].value < 0n ? "out of fuel" : String(error)); }`;
  const worker = new Worker(program, { eval: true, workerData: wasm });
  const messages: string[] = [];
  const done = new Promise<void>((resolve) => {
    worker.on("message", (message: string) => {
      if (messages.push(message) === 2) resolve();
      // Long after what has a million units would have ended.
      else setTimeout(resolve, 2000);
    });
  });
  await done;
  await worker.terminate();
  return messages[1] ?? "still running";
}

/** The same module with small charges eight units lower. */
function cheaper(wasm: Uint8Array): Uint8Array {
  const changed = Buffer.from(wasm);
  for (let at = changed.indexOf(CHARGE_BEGINS); at >= 0; at = changed.indexOf(CHARGE_BEGINS, at + 1)) {
    const cost = at + CHARGE_BEGINS.length;
    // A number of one byte, above what the charge costs itself.
    if ((changed[cost] ?? 0) > 8 && (changed[cost] ?? 0) < 0x40 && changed[cost + 1] === I64_SUB)
      changed.writeUInt8((changed[cost] ?? 0) - 8, cost);
  }
  return changed;
}

/** `global.get` of the only global, `i64.const`. */
const CHARGE_BEGINS = Buffer.from([0x23, 0, 0x42]);
const I64_SUB = 0x7d;

describe("metering", () => {
  for (const name of ["engine", "faults", "runaway", "builtin"]) {
    it(`takes ${name}.wasm as OPA built it, and gives the same module each time`, () => {
      const wasm = fixture(name);
      const once = metered(wasm);
      expect(valid(once)).to.equal(true);
      expect(Buffer.from(metered(wasm)).equals(once)).to.equal(true);
      expect(once.length / wasm.length).to.be.within(1, 1.25);
    });
  }

  for (const set of SETS) {
    it(`leaves every answer of ${set} as it is, and fuel the same whatever came before`, async () => {
      const bundle = await shipped(set);
      const inputs = await drawInputs(bundle, 18, 2500);
      const plain = new PlainInstance(bundle.wasm, bundle.dataText);
      const instance = new PolicyInstance(bundle);
      const fuel: number[] = [];
      for (const input of inputs) {
        const evaluation = instance.evaluate(input);
        if (!evaluation.ok) throw new Error(evaluation.detail);
        expect(JSON.parse(plain.evaluate(input))).to.deep.equal([{ result: evaluation.result }]);
        fuel.push(evaluation.fuel);
      }
      const other = new PolicyInstance(bundle);
      for (const [i, input] of inputs.slice(0, 1000).entries()) {
        if (i % 50 === 0) expect(other.evaluate(input.slice(0, -1)).ok).to.equal(false);
        expect(other.evaluate(input).fuel).to.equal(fuel[i]);
      }
    });
  }

  const BUDGET: [what: string, module: Module, input: string][] = [
    ["a policy that hardly ends", moduleOf(fixture("faults")), faulty("endless")],
    ["an input that makes a policy slow", RUNAWAY, asks(300)],
    ["a memory bomb", moduleOf(fixture("faults")), faulty("memory")],
    ["a result that takes long to build", moduleOf(fixture("faults")), faulty("huge")],
  ];
  for (const [what, module, input] of BUDGET) {
    it(`ends ${what} with evaluation_budget, every time, and the next evaluation is as before`, () => {
      const instance = new PolicyInstance(module);
      const bystander = module === RUNAWAY ? asks(0) : faulty("none");
      const before = instance.evaluate(bystander);
      expect(before.ok).to.equal(true);
      for (let i = 0; i < 70; i++) {
        const evaluation = instance.evaluate(input);
        expect(evaluation).to.deep.include({ ok: false, code: "evaluation_budget" });
        expect(evaluation.fuel).to.be.within(INSTANCE_LIMITS.evaluation_fuel_max, INSTANCE_LIMITS.evaluation_fuel_max * 1.01);
        expect(instance.evaluate(bystander)).to.deep.equal(before);
      }
    });
  }

  it("fails what nests too deep, and goes on", () => {
    const instance = new PolicyInstance(RUNAWAY);
    const deep = `{"request":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    expect(instance.evaluate(deep)).to.deep.include({ ok: false, code: "evaluation_failed" });
    expect(instance.evaluate(asks(0)).ok).to.equal(true);
  });

  const CYCLES: [what: string, code: number[], memory?: boolean][] = [
    ["a loop without anything in it", ENDLESS],
    ["a loop that goes on by a table of labels", [0x03, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b]],
    ["filling memory, which is one instruction", [0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, 0xff, 0xff, 0x03, 0xfc, 11, 0, 0x0c, 0, 0x0b], true],
    ["growing memory", [0x03, 0x40, 0x41, 1, 0x40, 0, 0x1a, 0x0c, 0, 0x0b], true],
  ];
  for (const [what, code, memory = false] of CYCLES) {
    it(`stops ${what}`, async () => {
      expect(await ending(metered(moduleWith(code, { memory })))).to.equal("out of fuel");
    });
  }

  const DEAR: [what: string, code: number[], units: number][] = [
    ["grows memory by nothing", [0x41, 0, 0x40, 0, 0x1a], 5_000],
    ["fills no memory", [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0], 1_060],
    ["copies no memory", [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 10, 0, 0], 60],
  ];
  for (const [what, code, units] of DEAR) {
    it(`charges what ${what} for what that takes the engine all the same`, () => {
      expect(unitsOf(moduleWith(code, { memory: true }))).to.be.within(units, units + 50);
    });
  }

  it("charges a function for its locals, which each call clears", () => {
    const withLocals = (count: number): Uint8Array => {
      const body = [1, ...encodeU32(count), 0x7f, 0x0b];
      return sections(TYPE, ONE, [7, [1, 1, 0x66, 0, 0]], [10, [1, body.length, ...body]]);
    };
    expect(unitsOf(withLocals(9_000)) - unitsOf(withLocals(0))).to.equal(2_242);
  });

  it("lets no module call the host: an abort leaves where its message is, and printing does nothing", () => {
    const called: string[] = [];
    for (const name of ["opa_abort", "opa_println"]) {
      const env = { [name]: () => void called.push(name) };
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(metered(importing(name, [7, [1, 1, 0x66, 0, 1]]))), { env });
      const run = exports["f"] as () => void;
      if (name === "opa_abort") expect(run).to.throw("unreachable");
      else run();
      expect((exports[ABORT_EXPORT] as WebAssembly.Global).value).to.equal(name === "opa_abort" ? 0x7ffffff0 : 0);
    }
    expect(called).to.deep.equal([]);
  });

  it("reads a jump of as many labels as an engine takes, out of as many structures as it may", () => {
    const labels = 60_000;
    const open = Array.from({ length: 900 }, () => [0x02, 0x40]).flat();
    const table = [0x41, 0, 0x0e, ...encodeU32(labels), ...Array.from({ length: labels + 1 }, () => 0)];
    const body = [0, ...open, ...table, ...Array.from({ length: 901 }, () => 0x0b)];
    expect(valid(metered(sections(TYPE, ONE, [10, [1, ...encodeU32(body.length), ...body]])))).to.equal(true);
  });

  it("is what stops them: without the charge at its head a loop runs on", async () => {
    const wasm = Buffer.from(metered(moduleWith(ENDLESS)));
    const head = wasm.indexOf(Buffer.from([0x03, 0x40]));
    const branch = wasm.indexOf(Buffer.from([0x0c, 0, 0x0b]), head);
    wasm.fill(0x01, head + 2, branch); // nop
    expect(valid(wasm)).to.equal(true);
    expect(await ending(wasm)).to.equal("still running");
  });

  it("charges 2,000 drawn programs at least what a plain count says that they run, and stops each within one function", () => {
    const { unpaid, charged_for_each } = chargePrograms(1, 2000);
    expect(unpaid).to.deep.equal([]);
    expect(charged_for_each).to.be.within(1, 2);
  });

  it("is found out by that count where its charges are eight units too low", () => {
    expect(chargePrograms(1, 200, cheaper).unpaid).to.not.deep.equal([]);
  });

  const REFUSED: [what: string, code: string, wasm: Uint8Array][] = [
    ["a tail call", "wasm_unsupported", moduleWith([0x12, 0])],
    ["a vector", "wasm_unsupported", moduleWith([0xfd, 0x0c])],
    ["an exception", "wasm_unsupported", moduleWith([0x08, 0])],
    ["a global that it doesn't have, which is the fuel", "wasm_invalid", moduleWith([0x42, 0, 0x24, 0])],
    ["a local that it doesn't have", "wasm_invalid", moduleWith([0x42, 0, 0x21, 0])],
    ["a label that it doesn't have", "wasm_invalid", moduleWith([0x0c, 1])],
    ["an export of the fuel's name", "wasm_unsupported", moduleWith([], { name: FUEL_EXPORT })],
    ["a host function that is called at the start", "wasm_unsupported", importing("opa_println", [8, [0]])],
    ["a second table", "wasm_unsupported", sections(TYPE, ONE, [4, [2, 0x70, 0, 1, 0x70, 0, 1]], BODY)],
    ["a large table", "wasm_unsupported", sections(TYPE, ONE, [4, [1, 0x70, 0, ...encodeU32(10_000_000)]], BODY)],
    ["a second memory", "wasm_unsupported", sections(TYPE, ONE, [5, [2, 0, 1, 0, 1]], BODY)],
    ["a host function in a table", "wasm_unsupported", importing("opa_abort", [4, [1, 0x70, 0, 1]], [9, [1, 0, 0x41, 0, 0x0b, 1, 0]])],
    ["an export of a host function", "wasm_unsupported", importing("opa_println", [7, [1, 1, 0x66, 0, 0]])],
    ["structures that are too deep in each other", "wasm_unsupported", sections(TYPE, ONE, deep(1_001))],
    ["an unknown section", "wasm_unsupported", Uint8Array.from([...moduleWith([]), 13, 1, 0])],
    ["a section twice", "wasm_invalid", Uint8Array.from([...moduleWith([]), 10, 1, 0])],
    ["another version", "wasm_invalid", Uint8Array.from([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0])],
  ];
  for (const [what, code, wasm] of REFUSED) {
    it(`refuses ${what} (${code})`, () => {
      expect(() => metered(wasm))
        .to.throw(BundleError)
        .with.property("code", code);
    });
  }

  it("refuses a module that is damaged, or leaves it as valid as it was", () => {
    const dice = new Dice(180);
    const wasm = fixture("builtin");
    let kept = 0;
    for (let i = 0; i < 300; i++) {
      const damaged = Buffer.from(wasm);
      for (let k = 0; k <= i % 3; k++) damaged[dice.below(damaged.length)] = dice.below(256);
      let result: Uint8Array;
      try {
        result = metered(damaged);
      } catch (error) {
        expect(error).to.be.instanceOf(BundleError);
        continue;
      }
      kept++;
      expect(valid(result), `damage ${i}`).to.equal(valid(damaged));
    }
    expect(kept).to.be.greaterThan(20);
  });

  it("takes every module that is shipped", async () => {
    const files = readdirSync(asset("bundles")).filter((name) => name.endsWith(".tar.gz"));
    for (const name of files) expect(valid(metered((await shipped(name.replace(".tar.gz", ""))).wasm))).to.equal(true);
    expect(files).to.have.length(SETS.length);
  });
});
