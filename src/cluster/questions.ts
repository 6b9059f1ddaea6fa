/**
 * Questions of one node to others, and their answers. An answer comes in parts, since a message between nodes is bounded. Any of it may be
 * lost: the asking node learns which nodes have not answered in time.
 */
import type { Timers } from "../system/index.js";

export interface QuestionWire {
  /** Sends a question to all nodes. @param answered called with each message that answers it @returns ends that */
  ask(text: string, answered: (text: string) => void): () => void;
  /** Calls with each question that comes, this node's own too. @returns ends it */
  serve(take: (text: string, reply: (text: string) => void) => void): () => void;
}

/** Answers by node, and the nodes that have not answered in time or could not. */
export interface NodeAnswers {
  answers: ReadonlyMap<string, string | null>;
  missing: readonly string[];
}

interface AnswerPart {
  node: string;
  part: number;
  parts: number;
  /** Null: the answer is that there is nothing. */
  text: string | null;
}

/** Milliseconds in which an answer has to come. */
const WITHIN_MS = 5000;
/** Characters of a part: at most a megabyte once it is written as JSON. */
const PART_LENGTH = 160 * 1024;
const PARTS_MAX = 256;

export class NodeQuestions {
  readonly #wire: QuestionWire;
  readonly #node: string;
  readonly #timers: Pick<Timers, "after">;
  #unserve: (() => void) | null = null;

  /** @param node name of this one */
  constructor(wire: QuestionWire, node: string, timers: Pick<Timers, "after">) {
    this.#wire = wire;
    this.#node = node;
    this.#timers = timers;
  }

  /**
   * Asks these nodes one question; resolves when each has answered, or the time is over.
   * @param enough whether an answer makes all others superfluous
   * @param within_ms time in which an answer has to come. @default 5000
   */
  ask(
    question: string,
    of: readonly string[],
    enough: (answer: string | null) => boolean = () => false,
    within_ms: number = WITHIN_MS,
  ): Promise<NodeAnswers> {
    const answers = new Map<string, string | null>();
    const parts = new Map<string, (string | undefined)[]>();
    const waiting = new Set(of);
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        unsubscribe();
        resolve({ answers, missing: of.filter((node) => !answers.has(node)) });
      };
      const cancel = this.#timers.after(within_ms, done);
      const unsubscribe = this.#wire.ask(JSON.stringify({ to: of, question }), (text) => {
        const part = readPart(text);
        if (part === null || !waiting.has(part.node)) return;
        if (!("failed" in part) && part.text !== null) {
          const known = parts.get(part.node) ?? new Array<string | undefined>(part.parts).fill(undefined);
          parts.set(part.node, known);
          // A node that starts again between two parts answers with others.
          if (known.length !== part.parts) return;
          known[part.part] = part.text;
          if (known.some((one) => one === undefined)) return;
        }
        waiting.delete(part.node);
        const answer = "failed" in part ? undefined : part.text === null ? null : (parts.get(part.node) ?? []).join("");
        if (answer !== undefined) answers.set(part.node, answer);
        if (waiting.size === 0 || (answer !== undefined && enough(answer))) done();
      });
      if (waiting.size === 0) done();
    });
  }

  /** Answers questions of other nodes, until `close`. @param answer rejects where this node can't answer */
  serve(answer: (question: string) => Promise<string | null>): void {
    this.#unserve = this.#wire.serve((text, reply) => {
      const question = readQuestion(text, this.#node);
      if (question === null) return;
      const node = this.#node;
      answer(question)
        .then(
          (found) => {
            const parts = found === null ? [null] : split(found);
            for (const [part, text] of parts.entries())
              reply(JSON.stringify({ node, part, parts: parts.length, text } satisfies AnswerPart));
          },
          () => {
            reply(JSON.stringify({ node, failed: true }));
          },
        )
        // The connection has been closed meanwhile: whoever asked takes this node for silent.
        .catch(() => undefined);
    });
  }

  close(): void {
    this.#unserve?.();
  }
}

function split(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length || parts.length === 0; at += PART_LENGTH) parts.push(text.slice(at, at + PART_LENGTH));
  return parts;
}

/** Returns null for what isn't asked of this node, or is no question of this version. */
function readQuestion(text: string, node: string): string | null {
  const { to, question } = membersOf(text);
  return Array.isArray(to) && to.includes(node) && typeof question === "string" ? question : null;
}

function readPart(text: string): AnswerPart | { node: string; failed: true } | null {
  const { node, part, parts, text: said, failed } = membersOf(text);
  if (typeof node !== "string") return null;
  if (failed === true) return { node, failed };
  if (!Number.isSafeInteger(part) || !Number.isSafeInteger(parts) || (typeof said !== "string" && said !== null)) return null;
  const [at, of] = [part as number, parts as number];
  return at >= 0 && at < of && of <= PARTS_MAX ? { node, part: at, parts: of, text: said } : null;
}

function membersOf(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
