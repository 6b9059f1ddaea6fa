/** The facts file: agents and tasks, read whole and strictly. */
import { createHash } from "node:crypto";
import { isCanonicalId, parseTime, type Value } from "../contract/index.js";
import type { Agent, Task } from "../decision/ports.js";
import { readYamlAs } from "../system/yaml.js";
import { FactsDocument, type TaskEntry } from "./shapes.js";
import { schemas } from "../system/schemas.js";

export interface FactsContent {
  /** `sha256:` + hex of the file's bytes. */
  digest: string;
  agents: ReadonlyMap<string, Agent>;
  tasks: ReadonlyMap<string, Task>;
}

const ajv = schemas({ useDefaults: true });
const isFacts = ajv.compile<FactsDocument>(FactsDocument);

/**
 * @param file the name errors give
 * @throws YamlError naming line and path of the first thing that doesn't fit
 */
export function readFacts(bytes: Buffer, file: string): FactsContent {
  const { value, errorAt } = readYamlAs<FactsDocument>(bytes.toString("utf8"), file, isFacts);
  const agents = new Map<string, Agent>();
  for (const [id, { version = "1", owner, purposes, attributes = {}, status = "active" }] of Object.entries(value.agents)) {
    agents.set(id, {
      id,
      version,
      owner,
      purposes: new Set(purposes),
      attributes: attributes as Record<string, Value>,
      status,
      registered_ms: 0,
      token_required: false,
    });
  }
  const tasks = new Map<string, Task>();
  for (const [id, entry] of Object.entries(value.tasks)) {
    const expires_ms = entry.expires === undefined ? null : parseTime(entry.expires);
    if (entry.expires !== undefined && expires_ms === null) {
      throw errorAt(["tasks", id, "expires"], "must be an RFC 3339 date-time, in quotes");
    }
    if (!agents.has(entry.agent)) throw errorAt(["tasks", id, "agent"], `no agent \`${entry.agent}\` is in this file`);
    if (typeof entry.principal === "string" && !isCanonicalId(entry.principal))
      throw errorAt(["tasks", id, "principal"], "must be a canonical identifier");
    for (const [type, ids] of Object.entries(entry.subjects ?? {})) {
      if (!ids.every(isCanonicalId)) throw errorAt(["tasks", id, "subjects", type], "each must be a canonical identifier");
    }
    tasks.set(id, taskOf(id, entry, expires_ms));
  }
  return { digest: factsDigest(bytes), agents, tasks };
}

function factsDigest(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export function taskOf(id: string, entry: Omit<TaskEntry, "expires">, expiresMs: number | null): Task {
  return {
    id,
    agent: entry.agent,
    purpose: entry.purpose,
    parent: null,
    principal: entry.principal ?? null,
    subjects: entry.subjects ?? {},
    attributes: (entry.attributes ?? {}) as Record<string, Value>,
    verbs: entry.verbs === undefined ? null : new Set(entry.verbs),
    ...(entry.plan !== undefined && { plan: entry.plan }),
    expires_ms: expiresMs,
    ended: entry.ended ?? false,
  };
}
