import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Change } from "../../src/store/store.js";

export const LOAD = fileURLToPath(new URL("./load.js", import.meta.url));

/** What `load.ts` was told: a call's tag and its revisions. */
export interface Acknowledged {
  tag: string;
  revisions: number[];
}

export function acknowledgedIn(output: string): Acknowledged[] {
  // A line that was cut off is an answer that nobody got.
  const lines = output
    .split("\n")
    .slice(0, -1)
    .filter((line) => line !== "open");
  return lines.map((line) => {
    const [tag = "", ...revisions] = line.split(" ");
    return { tag, revisions: revisions.map(Number) };
  });
}

/** Starts the load on a store and kills it with SIGKILL, `kills` times, each time after more or less than before. */
export async function killUnderLoad(file: string, kills: number): Promise<Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const child = spawn(process.execPath, [LOAD, file, String(kill)], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.length > 30 + ((kill * 977) % 12_000)) child.kill("SIGKILL");
    });
    await once(child, "close");
    acknowledged.push(...acknowledgedIn(output));
  }
  return acknowledged;
}

/** What a store that was killed has broken of its promises; `changes` is all that it holds. */
export function broken(acknowledged: readonly Acknowledged[], changes: readonly Change[]): string[] {
  const tagged = changes.map(({ value }) => value as { tag: string; of: number });
  const lost = acknowledged.filter(({ tag, revisions }) => revisions.some((at) => tagged[at - 1]?.tag !== tag));
  const found = new Map<string, number>();
  for (const { tag } of tagged) found.set(tag, (found.get(tag) ?? 0) + 1);
  const halves = tagged.filter(({ tag, of }) => found.get(tag) !== of);
  return [
    ...lost.map(({ tag }) => `${tag} was acknowledged and is lost`),
    ...halves.map(({ tag, of }) => `${tag} has ${found.get(tag) ?? 0} changes of ${of}`),
  ];
}
