/** Other nodes of a cluster as this one asks them, and the forms of what they answer. */
import { Problem, type ProblemCode, type ProblemDetail } from "../contract/index.js";
import type { NodeAnswers } from "../cluster/questions.js";
import type { ByNode } from "../records/merged_answers.js";

/** Nodes as they are asked. */
export interface AskedNodes {
  /** Name of this node. */
  readonly name: string;
  /** Nodes that are live, this one too. */
  readonly live: readonly string[];
  /** Nodes that can't be asked and may be back: what they have is missing. */
  readonly silent: readonly string[];
  /** @param within_ms time in which an answer has to come. @default 5000 */
  ask(question: string, of: readonly string[], enough?: (answer: string | null) => boolean, within_ms?: number): Promise<NodeAnswers>;
}

/** Enough of an answer that one node alone can give. */
export const isFound = (answer: string | null): boolean => answer !== null;

export function othersOf({ live, name }: Pick<AskedNodes, "live" | "name">): string[] {
  return live.filter((node) => node !== name);
}

/** Returns true if what no node has may be on one that hasn't answered, or can't be asked. */
export function mayBeElsewhere(missing: readonly string[], { silent }: Pick<AskedNodes, "silent">): boolean {
  return missing.length + silent.length > 0;
}

/**
 * Asks each node its own question, and this one too.
 * @param own answers this node's
 * @throws Problem of this node's own answer
 */
export async function askEach<T>(
  nodes: AskedNodes,
  questions: ReadonlyMap<string, string>,
  own: (question: string) => Promise<string | null>,
): Promise<{ answers: ByNode<T>; missing: string[] }> {
  const answers = new Map<string, T>();
  const missing = [...nodes.silent];
  const asked = [...questions].map(async ([node, question]) => {
    if (node === nodes.name) {
      const found = await own(question);
      if (found !== null) answers.set(node, JSON.parse(found) as T);
      return;
    }
    const found = (await nodes.ask(question, [node])).answers.get(node);
    if (typeof found === "string") answers.set(node, JSON.parse(found) as T);
    else missing.push(node);
  });
  await Promise.all(asked);
  return { answers, missing: missing.sort() };
}

/** Returns which nodes were searched, as an answer says it. */
export function searchedNodes(
  answers: ByNode<{ indexed_to: number }>,
  missing: readonly string[],
): { indexed_to: Record<string, number>; missing: string[] } {
  return { indexed_to: Object.fromEntries([...answers].map(([node, { indexed_to }]) => [node, indexed_to])), missing: [...missing] };
}

/** Answer of one node that was asked to do something, or the problem that refuses it. */
export type NodeReply<T> = { answer: T } | { code: ProblemCode; detail: ProblemDetail };

/**
 * Does what another node has asked for.
 * @param none code of the problem that says that this node doesn't have what it is about
 * @returns null for that problem
 */
export async function replyOf<T>(act: () => Promise<T>, none: ProblemCode): Promise<NodeReply<T> | null> {
  try {
    return { answer: await act() };
  } catch (cause) {
    if (!(cause instanceof Problem)) throw cause;
    return cause.code === none ? null : { code: cause.code, detail: cause.detail };
  }
}

/** @throws Problem of the reply */
export function answerIn<T>(reply: NodeReply<T>): T {
  if ("code" in reply) throw new Problem(reply.code, reply.detail);
  return reply.answer;
}

/** Answers questions of one kind, which begin with its word. */
export type NodeAnswering = (question: string) => Promise<string | null>;

/**
 * Answers what other nodes ask of this one.
 * @param kinds answers by the word that a question begins with; what stands behind it is passed on
 * @param others answers what begins with none of them
 */
export function answering(kinds: Readonly<Record<string, NodeAnswering>>, others: NodeAnswering): NodeAnswering {
  return (question) => {
    for (const [word, answer] of Object.entries(kinds)) if (question.startsWith(word)) return answer(question.slice(word.length));
    return others(question);
  };
}
