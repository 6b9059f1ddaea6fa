/** Figures that programs of their own find, each run shortly here and at length by `make bench-long`. */
import type { Judged } from "./client.js";
import { program, type Processes } from "./processes.js";

/** NaN: not measured. */
export interface Figures {
  behavior_us: number;
  observed_us: number;
  embedded_us: number;
  embedded_batch_us: number;
  mcp_ms: number;
  bystanders_ms: number;
}

interface Part {
  program: string;
  args: string[];
  /** Picks from what the program prints: `of` gives a figure by its name. */
  figures: (of: (figure: string) => number) => Partial<Figures>;
}

const PARTS: readonly Part[] = [
  {
    program: "usual",
    args: ["--seconds", "2", "--repeats", "5"],
    figures: (of) => ({ behavior_us: of("CPU that the profile adds to a decision, 64 connections") }),
  },
  {
    program: "observe",
    args: ["--lines", "200000", "--seconds", "1"],
    figures: (of) => ({ observed_us: of("CPU of a line until it is on record and signed") }),
  },
  {
    program: "embedded",
    args: ["--decisions", "5000", "--rounds", "3", "--only", "batch,single"],
    figures: (of) => ({ embedded_us: of("single, with records, synced: CPU"), embedded_batch_us: of("batch, with records, synced: CPU") }),
  },
  {
    program: "mcp",
    args: ["--calls", "150"],
    figures: (of) => ({ mcp_ms: of("over pipes, in its own process: what the guard adds to a call beside a durable write, p50") }),
  },
  {
    program: "faults",
    args: ["--aborts", "1000", "--runaways", "20", "--every_ms", "250"],
    figures: (of) => ({ bystanders_ms: of("bystanders' p99 beside runaways") - of("bystanders' p99 alone") }),
  },
];

export const NOTHING_MEASURED: Readonly<Figures> = {
  behavior_us: Number.NaN,
  observed_us: Number.NaN,
  embedded_us: Number.NaN,
  embedded_batch_us: Number.NaN,
  mcp_ms: Number.NaN,
  bystanders_ms: Number.NaN,
};

/** A program that breaks down leaves its figures unmeasured, and the run goes on. */
export async function measureParts(processes: Processes, progress: (text: string) => void): Promise<Figures> {
  const found = { ...NOTHING_MEASURED };
  for (const { program: name, args, figures } of PARTS) {
    progress([name, ...args].join(" "));
    try {
      const printed = await processes.run("any", process.execPath, [program(name), ...args, "--json"]);
      Object.assign(found, figures(byName(JSON.parse(printed) as Judged[])));
    } catch (cause) {
      console.error(`bench: ${name} is not measured: ${String(cause)}`);
    }
  }
  return found;
}

/** @throws Error if there is no such figure */
function byName(all: Judged[]): (figure: string) => number {
  return (name) => {
    const one = all.find(({ figure }) => figure === name);
    if (one === undefined) throw new Error(`there is no figure \`${name}\``);
    return one.found;
  };
}
