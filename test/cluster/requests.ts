/** What the tests of a cluster ask of its nodes. */
import type { Json } from "../service/child.js";

export const PURPOSE = "customer_support";
/** Made once a process, and a busy machine's run lasts for hours. */
export const EXPIRES = new Date(Date.now() + 12 * 3_600_000).toISOString();

export const agentNamed = (id: string, more: Json = {}): Json => ({ id, owner: "tests@example.com", purposes: [PURPOSE], ...more });
export const taskOf = (agent: string): Json => ({
  ...{ id: `T-${agent}`, agent, purpose: PURPOSE, principal: "ada", expires: EXPIRES },
  subjects: { ticket: ["TCK-1"], customer: ["ada"] },
  attributes: { topic: "billing" },
});
export const actionOf = (agent: string): Json => ({
  ...{ agent, task: `T-${agent}`, purpose: PURPOSE, verb: "read" },
  resource: { type: "customer", id: "ada" },
});
