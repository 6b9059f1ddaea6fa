/** The native compiler and the WebAssembly one, asked the same. */
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CAPABILITIES_FILE } from "../../src/bundle/check.js";
import { runOpa, wasmOpa, type Opa, type OpaOutput } from "../../src/bundle/opa.js";
import { Dice } from "../differential/dice.js";
import { drawModule } from "./rego_draw.js";

export interface Asked {
  args: string[];
  cwd: string;
  stdin?: string;
}

interface Answered extends OpaOutput {
  /** In base64; null: nothing was written. */
  built: string | null;
}

const OUTPUT = "built.tar.gz";
export const BUILD = [
  "build",
  "--target",
  "wasm",
  "--bundle",
  ".",
  "--prune-unused",
  "--capabilities",
  CAPABILITIES_FILE,
  "--output",
  OUTPUT,
];

/** Tests run side by side and traces list variables in no order: both may differ from run to run, and how long each took. */
function inOrder(report: string): string {
  const settled = (key: string, value: unknown): unknown => {
    if (key === "duration") return 0;
    return key === "Locals" && Array.isArray(value) ? value.map((local) => JSON.stringify(local)).sort() : value;
  };
  return [JSON.parse(report) as object]
    .flat()
    .map((test) => JSON.stringify(test, settled))
    .sort()
    .join("\n");
}

/** Returns the answers of the native compiler and of WebAssembly. */
export async function onBoth(native: Opa, { args, cwd, stdin }: Asked): Promise<[Answered, Answered]> {
  const run = async (opa: Opa): Promise<Answered> => {
    await rm(join(cwd, OUTPUT), { force: true });
    const output = await runOpa(opa, args, cwd, stdin);
    const stdout = args[0] === "test" || args.includes("--explain") ? inOrder(output.stdout) : output.stdout;
    const built = await readFile(join(cwd, OUTPUT), "base64").catch(() => null);
    return { ...output, stdout, built };
  };
  return [await run(native), await run(wasmOpa())];
}

/**
 * Asks both to parse, format, check and build drawn modules.
 * @returns how many there were, how many both refused, and the first that got two answers
 */
export async function compareDrawn(
  native: Opa,
  seed: number,
  count: number,
): Promise<{ built: number; refused: number; differing: unknown }> {
  const folder = await mkdtemp(join(tmpdir(), "remit-drawn-"));
  try {
    const dice = new Dice(seed);
    let [built, refused] = [0, 0];
    for (let i = 0; i < count; i++) {
      const cwd = join(folder, String(i));
      const text = drawModule(dice, `m${i}`);
      await mkdir(cwd);
      await writeFile(join(cwd, "m.rego"), text);
      // Each in turn with the build, which is what counts.
      const beside = [
        ["parse", "--format", "json", "--json-include", "comments,locations", "m.rego"],
        ["fmt", "m.rego"],
        ["check", "--strict", "--format", "json", "--max-errors", "100", "--capabilities", CAPABILITIES_FILE, "m.rego"],
      ][i % 3] as string[];
      for (const args of [beside, [...BUILD, "--entrypoint", `rules/m${i}/allow`]]) {
        const [ours, theirs] = await onBoth(native, { args, cwd });
        if (JSON.stringify(ours) !== JSON.stringify(theirs))
          return { built, refused, differing: { args, text, native: ours, wasm: theirs } };
        if (args[0] !== "build") continue;
        if (ours.code === 0) built++;
        else refused++;
      }
      await rm(cwd, { recursive: true });
    }
    return { built, refused, differing: null };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
