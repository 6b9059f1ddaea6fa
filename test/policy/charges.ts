/** Holds the metering of drawn programs against a count of what they run. */
import { FUEL_EXPORT, metered } from "../../src/policy/metering.js";
import { Dice } from "../differential/dice.js";
import { drawProgram, type Program } from "./programs.js";

const PLENTY = 1_000_000_000_000n;

export interface Charged {
  programs: number;
  /** Programs that ran something that wasn't paid for, or went on without fuel; each told by its seed. */
  unpaid: string[];
  /** Of all programs together, units charged for each that ran. */
  charged_for_each: number;
}

type Exports = Record<string, WebAssembly.Global & { value: bigint }> & { f: (argument: number) => void };

/** @param change applied to each metered module, for showing that this would find what is wrong with it */
export function chargePrograms(seed: number, count: number, change = (wasm: Uint8Array): Uint8Array => wasm): Charged {
  const unpaid: string[] = [];
  let [ran, charged] = [0, 0];
  for (let i = 0; i < count; i++) {
    const dice = new Dice(seed + i);
    const program = drawProgram(dice);
    const argument = dice.below(1000);
    const plain = run(change(metered(program.plain)), argument, PLENTY);
    const counted = run(program.counted, argument, null);
    ran += counted.ran;
    charged += plain.used;
    if (plain.used < counted.ran) unpaid.push(`${seed + i}: ran ${counted.ran}, paid ${plain.used}`);
    const given = dice.below(counted.ran + 1);
    const short = stopped(program, argument, given, change);
    if (short !== null) unpaid.push(`${seed + i}: ${short}`);
  }
  return { programs: count, unpaid, charged_for_each: charged / ran };
}

/** With less fuel than it needs. @returns what is wrong with where it stops; null: nothing */
function stopped(
  { counted, function_cost_max }: Program,
  argument: number,
  given: number,
  change: (wasm: Uint8Array) => Uint8Array,
): string | null {
  const { ran } = run(change(metered(counted)), argument, BigInt(given));
  // Between two places that check, control goes forward in one function.
  return ran <= given + function_cost_max ? null : `given ${given}, ran ${ran}, and no function costs more than ${function_cost_max}`;
}

function run(wasm: Uint8Array, argument: number, fuel: bigint | null): { ran: number; used: number } {
  const exports = new WebAssembly.Instance(new WebAssembly.Module(wasm), {}).exports as Exports;
  const gauge = exports[FUEL_EXPORT];
  if (gauge !== undefined && fuel !== null) gauge.value = fuel;
  try {
    exports.f(argument);
  } catch (cause) {
    if ((cause as Error).name !== "RuntimeError" || gauge === undefined || gauge.value >= 0n) throw cause;
  }
  return { ran: Number(exports["counter"]?.value ?? 0n), used: gauge === undefined || fuel === null ? 0 : Number(fuel - gauge.value) };
}
