import type { IssueTask } from "../../src/contract/index.js";
import type { Commands } from "../../src/facts/commands.js";
import type { World } from "./world.js";
import { HOUR_MS, at } from "./world.js";

export const task = (changes: Partial<IssueTask> = {}): IssueTask => ({
  id: "T-1",
  agent: "a-1",
  purpose: "support",
  expires: at(HOUR_MS),
  ...changes,
});

export async function withAgents(world: World): Promise<Commands> {
  const facts = await world.open();
  const both = ["support", "billing"];
  await facts.createAgent({ id: "a-1", owner: "ops", purposes: both, delegates: ["support"] }, "host");
  await facts.createAgent({ id: "a-2", owner: "ops", purposes: both }, "host");
  await facts.createAgent({ id: "audit-1", owner: "ops", purposes: ["audit"], delegates: ["support"] }, "host");
  await facts.createAgent({ id: "gone", owner: "ops", purposes: both }, "host");
  await facts.changeAgent("gone", { status: "revoked", reason: "r" }, null, "host");
  return facts;
}
