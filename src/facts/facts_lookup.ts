/** Facts and policy that a change of facts is checked against. */
import type { RevocationState, Condition, Vocabulary, Credential } from "../contract/index.js";
import type { AgentFact, TaskFact, GrantFact } from "./entities.js";

export type StoredRevocationScope = RevocationState["scope"];

/** An entry of a grant for one vocabulary. */
export interface CompiledEntry {
  /** Type → verbs. */
  covers: ReadonlyMap<string, ReadonlySet<string>>;
  about: "task" | "other" | "any";
  when: Condition[];
}

/** Why an entry is not acceptable. `field` is a JSON pointer into it. */
export interface EntryError {
  field: string;
  expected: string;
}

/** Compiles an entry as purposes write it. */
export type CompileEntry = (entry: Record<string, unknown>, vocabulary: Vocabulary) => CompiledEntry | EntryError;

/** Parts of the active bundle that facts are checked against. */
export interface KnownPolicy {
  readonly vocabulary: Vocabulary;
  readonly purposes: ReadonlyMap<string, unknown>;
}

/** Facts that others are checked against: the registry, and an import's lines laid over it. */
export interface FactsLookup {
  agent(id: string): AgentFact | undefined;
  task(id: string): TaskFact | undefined;
  grant(id: string): GrantFact | undefined;
  /** Returns the agent that has this credential, or had it: a former agent keeps its own until another is given them. */
  agentOf(subject: Credential): string | undefined;
  /** Another agent, past ones too, whose id could be taken for this one. */
  similarAgent(id: string): string | undefined;
  revoked(scope: StoredRevocationScope, id: string): boolean;
}
