/** Asks the policy about several inputs in one go. */
import type { ActivePolicy, Evaluation } from "./ports.js";
import type { Begun } from "./steps.js";

/** Each, in their order. */
export async function evaluateAll(policy: ActivePolicy, inputs: readonly string[]): Promise<readonly Evaluation[]> {
  const [own] = inputs;
  if (own === undefined) return [];
  if (inputs.length === 1) return [await policy.evaluate(own)];
  return policy.evaluateAll?.(inputs) ?? Promise.all(inputs.map((input) => policy.evaluate(input)));
}

/** Of each, the evaluations of its inputs. */
export async function evaluateEach(policy: ActivePolicy, begun: readonly Begun[]): Promise<readonly (readonly Evaluation[])[]> {
  const inputs: string[] = [];
  for (const one of begun) for (const input of one.inputs) inputs.push(input);
  const found = await evaluateAll(policy, inputs);
  let at = 0;
  return begun.map((one) => found.slice(at, (at += one.inputs.length)));
}
