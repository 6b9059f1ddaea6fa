import { availableParallelism, cpus, release, totalmem } from "node:os";

/** Those that this program was started on; later it may have put itself on one of them. */
export const CORES = availableParallelism();

export interface Machine {
  processor: string;
  cores: number;
  memory_gib: number;
  kernel: string;
  node: string;
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model ?? "an unknown processor",
    cores: CORES,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
  };
}
