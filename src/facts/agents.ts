/** Checks and builds agents. */
import { type AgentState, type ChangeAgent, type CreateAgent, type Credential } from "../contract/index.js";
import { iso, stateOfAgent, type AgentFact } from "./entities.js";
import { checkAttributes, named } from "./fields.js";
import { checkCanonical, refuse } from "./problems.js";
import type { FactsLookup, KnownPolicy } from "./facts_lookup.js";

/**
 * A new agent, or one that is there already.
 * @throws Problem `agent_id_used`, `agent_id_similar`, `credential_taken`, `fact_invalid`, `identifier_not_canonical`
 */
export function checkNewAgent(asked: CreateAgent, known: FactsLookup, policy: KnownPolicy, nowMs: number): AgentState {
  const before = known.agent(asked.id);
  if (before?.status === "revoked") refuse("/id", "an id that no agent ever had", "agent_id_used");
  if (before === undefined) {
    const similar = known.similarAgent(asked.id);
    if (similar !== undefined) refuse("/id", `an id that can't be taken for \`${similar}\``, "agent_id_similar");
  }
  const time = iso(nowMs);
  const agent: AgentState = {
    id: asked.id,
    version: asked.version ?? "1",
    name: asked.name ?? null,
    owner: asked.owner,
    purposes: asked.purposes,
    delegates: asked.delegates ?? [],
    attributes: asked.attributes ?? {},
    credentials: asked.credentials ?? [],
    token: asked.token ?? "optional",
    status: "active",
    registered: time,
    bound: time,
  };
  checkAgent(agent, before, known, policy);
  return agent;
}

/** @throws Problem `credential_taken`, `fact_invalid`, `identifier_not_canonical` */
export function checkChangedAgent(
  before: AgentFact,
  { status: _status, reason: _reason, ...asked }: ChangeAgent,
  known: FactsLookup,
  policy: KnownPolicy,
  nowMs: number,
): AgentState {
  if (before.status === "revoked") refuse("/id", "an agent that is not revoked");
  const state = stateOfAgent(before);
  const agent: AgentState = { ...state, ...asked };
  checkStaysStopped(before, agent, known);
  const gains = agent.credentials.some((one) => !state.credentials.some((other) => isSame(one, other)));
  // Whoever had the credential before may have tokens left.
  if (gains) agent.bound = iso(nowMs);
  checkAgent(agent, before, known, policy);
  return agent;
}

/** Rejects ways around a stop, which has to be lifted instead: another owner, or the agent's credentials under another name. */
function checkStaysStopped(before: AgentFact, after: AgentState, known: FactsLookup): void {
  const isOwnerRevoked = known.revoked("owner", before.owner);
  if (isOwnerRevoked && after.owner !== before.owner) refuse("/owner", `\`${before.owner}\`, until the revocation of that owner is lifted`);
  if (before.status === "active" && !isOwnerRevoked && !known.revoked("agent", before.id)) return;
  if (!before.credentials.every((one) => after.credentials.some((other) => isSame(one, other))))
    refuse("/credentials", "every credential that it has, until the agent is no longer stopped");
}

function checkAgent(agent: AgentState, before: AgentFact | undefined, known: FactsLookup, policy: KnownPolicy): void {
  checkCanonical(agent.owner, "/owner");
  checkCanonical(agent.version, "/version");
  if (agent.name !== null) checkCanonical(agent.name, "/name");
  checkPurposes(agent.purposes, "/purposes", before?.purposes, policy);
  checkPurposes(agent.delegates, "/delegates", before?.delegates, policy);
  checkAttributes(policy.vocabulary.agent.attributes, agent.attributes);
  for (const [i, credential] of agent.credentials.entries()) {
    checkCanonical(credential.issuer, `/credentials/${i}/issuer`);
    checkCanonical(credential.subject, `/credentials/${i}/subject`);
    if (agent.credentials.findIndex((other) => isSame(other, credential)) !== i) {
      refuse(`/credentials/${i}`, "each credential once");
    }
    const other = known.agentOf(credential);
    if (other !== undefined && other !== agent.id && known.agent(other)?.status !== "revoked") {
      refuse(`/credentials/${i}`, "a credential that no other agent has", "credential_taken");
    }
  }
}

/**
 * Rejects unknown purposes. Those that the agent has already may stay, though a newer bundle doesn't know them: then they permit nothing.
 */
function checkPurposes(purposes: readonly string[], field: string, before: ReadonlySet<string> | undefined, policy: KnownPolicy): void {
  for (const [i, purpose] of purposes.entries()) {
    if (policy.purposes.has(purpose) || before?.has(purpose) === true) continue;
    refuse(`${field}/${i}`, `a purpose of the bundle: ${named(policy.purposes.keys())}`);
  }
}

export function isSame(a: Credential, b: Credential): boolean {
  return a.issuer === b.issuer && a.subject === b.subject;
}
