/** Many scenes before the engine and before somebody else who should say the same. */
import { setImmediate } from "node:timers/promises";
import type { Oracle } from "../oracle/oracle.js";
import type { Draw } from "./draw.js";
import { FAILED, type Asked, type Stage } from "./scene.js";

/** Answers the texts of inputs, in order; `FAILED` where it has no answer. */
export type Judge = (inputs: readonly string[]) => Promise<readonly unknown[]>;

export interface Difference {
  asked: Asked;
  judged: unknown;
}

export interface Comparison {
  inputs: number;
  /** Scenes that the reader or the floor refused. */
  refused: number;
  /** `<decision> <proceed>` → how many; `failed` where the engine gave no answer. */
  outcomes: Record<string, number>;
  differences: number;
  /** The first few. */
  kept: Difference[];
}

const CHUNK = 250;
/** Enough to keep an oracle busy while the next are drawn, few enough for memory not to grow with the count. */
const CHUNKS_MAX = 12;
const KEPT_MAX = 5;
const DRAWS_PER_INPUT_MAX = 4;

export function judgeOf(oracle: Oracle): Judge {
  return async (inputs) => {
    const answers = await oracle.ask(inputs);
    return answers.map((text) => {
      const answer: unknown = JSON.parse(text);
      return answer === null || (typeof answer === "object" && "error" in answer) ? FAILED : answer;
    });
  };
}

/** @param progress told how many have been compared, now and then */
export async function compare(
  stage: Stage,
  draw: Draw,
  judge: Judge,
  count: number,
  progress: (compared: number) => void = () => undefined,
): Promise<Comparison> {
  const found: Comparison = { inputs: 0, refused: 0, outcomes: {}, differences: 0, kept: [] };
  const underWay: { chunk: Asked[]; judged: Promise<readonly unknown[]> }[] = [];
  const settle = async (): Promise<void> => {
    const first = underWay.shift();
    if (first === undefined) return;
    const judged = await first.judged;
    for (const [i, asked] of first.chunk.entries()) take(found, asked, judged[i]);
    progress(found.inputs);
  };
  for (let drawn = 0; drawn < count; drawn += CHUNK) {
    const chunk = await nextChunk(stage, draw, Math.min(CHUNK, count - drawn), found);
    const judged = judge(chunk.map(({ input }) => input));
    // Awaited in its turn; a judge that breaks down earlier must not count as a rejection that nobody handles.
    judged.catch(() => undefined);
    underWay.push({ chunk, judged });
    // Pipes move only between turns of the event loop.
    await setImmediate();
    if (underWay.length >= CHUNKS_MAX) await settle();
  }
  while (underWay.length > 0) await settle();
  return found;
}

async function nextChunk(stage: Stage, draw: Draw, size: number, found: Comparison): Promise<Asked[]> {
  const chunk: Asked[] = [];
  for (let draws = 0; chunk.length < size; draws++) {
    if (draws > 100 + DRAWS_PER_INPUT_MAX * size) throw new Error(`only ${chunk.length} of ${draws} reach the policy`);
    const asked = await stage.ask(draw.scene());
    if (asked === null) found.refused += 1;
    else chunk.push(asked);
  }
  return chunk;
}

function take(found: Comparison, asked: Asked, judged: unknown): void {
  found.inputs += 1;
  const { decision, proceed } = asked.engine as { decision: string; proceed?: boolean };
  const outcome = proceed === undefined ? decision : `${decision} ${String(proceed)}`;
  found.outcomes[outcome] = (found.outcomes[outcome] ?? 0) + 1;
  if (same(asked.engine, judged)) return;
  found.differences += 1;
  if (found.kept.length < KEPT_MAX) found.kept.push({ asked, judged });
}

/** Sets come out of two evaluators in different orders, so lists are equal in any order; all else must be the same. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    const left: unknown[] = [...(b as unknown[])];
    return (a as unknown[]).every((each) => {
      const found = left.findIndex((other) => same(each, other));
      if (found >= 0) left.splice(found, 1);
      return found >= 0;
    });
  }
  const [members, others] = [Object.entries(a), b as Record<string, unknown>];
  if (members.length !== Object.keys(b).length) return false;
  return members.every(([key, member]) => Object.hasOwn(b, key) && same(member, others[key]));
}
