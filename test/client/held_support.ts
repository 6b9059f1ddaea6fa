import { type Permitted } from "../../src/client/index.js";

export const LASTS_MS = 60_000;

export const nothing = (_: Permitted): number => 1;

/** Runs until it is told to stop. */
export const goesOn = ({ signal }: Permitted): Promise<string> =>
  new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      resolve("stopped by itself");
    });
  });
