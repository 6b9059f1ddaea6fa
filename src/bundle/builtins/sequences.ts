/** `numbers.range_step` and `graph.reachable_paths`: what they return grows faster than their operands, so each step spends fuel. */
import { integerOf, membersOf, type Builtin, type Spend } from "./function.js";
import { TermSet, termText, type RegoTerm } from "./term.js";

const NUMBER_COST = 200;
const STEP_COST = 200;

function range(from: bigint, to: bigint, step: bigint, spend: Spend): RegoTerm {
  const count = (from <= to ? to - from : from - to) / step + 1n;
  spend(Number(count) * NUMBER_COST);
  return Array.from({ length: Number(count) }, (_, i) => (from <= to ? from + BigInt(i) * step : from - BigInt(i) * step));
}

function reachablePaths(graph: ReadonlyMap<RegoTerm, RegoTerm>, initial: readonly RegoTerm[], spend: Spend): RegoTerm {
  const edges = new Map([...graph].map(([node, to]) => [termText(node), to]));
  const paths: RegoTerm[] = [];
  const follow = (node: RegoTerm, path: readonly RegoTerm[], reached: ReadonlySet<string>): void => {
    spend(STEP_COST * (path.length + 1));
    const to = edges.get(termText(node));
    if (to === undefined) {
      paths.push([...path]);
      return;
    }
    const longer = [...path, node];
    const next = membersOf(to) ?? [];
    const seen = new Set([...reached, termText(node)]);
    if (next.length === 0) paths.push(longer);
    for (const one of next)
      if (seen.has(termText(one))) paths.push(longer);
      else follow(one, longer, seen);
  };
  for (const node of initial) {
    const to = edges.get(termText(node));
    if (to === undefined) continue;
    const next = membersOf(to) ?? [];
    if (next.length === 0) paths.push([node]);
    for (const one of next) follow(one, [node], new Set([termText(node)]));
  }
  return new TermSet(paths);
}

export const SEQUENCES: Readonly<Record<string, Builtin>> = {
  "numbers.range_step": ([first, last, by], spend) => {
    const [from, to, step] = [integerOf(first), integerOf(last), integerOf(by)];
    return from === null || to === null || step === null || step <= 0n ? undefined : range(from, to, step, spend);
  },
  "graph.reachable_paths": ([graph, initial], spend) => {
    const nodes = membersOf(initial);
    return graph instanceof Map && nodes !== null ? reachablePaths(graph, nodes, spend) : undefined;
  },
};
