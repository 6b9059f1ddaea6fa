/** What a decider is made of, the steps that it offers one by one, and what they hand on. */
import type { Act, Answer, Assessment, Problem, Sighted } from "../contract/index.js";
import type { System } from "../system/index.js";
import type { Noticed } from "./act.js";
import type { Chain } from "./chain.js";
import type { Conclusion } from "./conclude.js";
import type { Asker, Gathered } from "./gather.js";
import type {
  ActivePolicy,
  AgentProof,
  Caller,
  DecisionLog,
  Engine,
  Evaluation,
  Facts,
  Identity,
  KeptProfile,
  Masks,
  TaskProof,
} from "./ports.js";
import type { Action } from "./read.js";
import type { Happened, Kind, recordText } from "./record.js";
import type { ScanLimits } from "./scan.js";
import type { VocabularyReader } from "./values.js";

export interface DecisionLimits extends ScanLimits {
  batch_actions_max: number;
  /** How far a claimed time may be from the host's clock, either way. */
  time_skew_max_ms: number;
  /** How long a flag that waits may wait. */
  approval_wait_ms: number;
  /** Of how many tasks the last decision is remembered, which the record of the next one names. */
  chained_tasks_max: number;
}

/** When a request came in, on the host's clock; how long it took to read and to evaluate. Milliseconds. */
export interface Times {
  asked: number;
  read: number;
  evaluate: number;
}

/** When a request came in, on the host's clock and on the monotonic one, and when it had been read; milliseconds. */
export interface Moments {
  asked: number;
  began: number;
  read: number;
}

/** Which finding an action belongs to. Asked of each record in the turn in which it is handed over, in their order. */
export interface Findings {
  /** Null: none. */
  place(sighted: Sighted): string | null;
  /** The record of a decision that a finding began with isn't on disk. */
  unrecorded(decisionId: string): void;
}

export interface Pdp {
  system: Pick<System, "clock" | "random">;
  identity: Identity;
  engine: Engine;
  facts: Facts;
  log: DecisionLog;
  profile: KeptProfile;
  /** Left out: where a policy masks something, nothing is decided. */
  masks?: Masks;
  limits: DecisionLimits;
  /** Of what is on record already; left out: nothing is. */
  chain?: Chain;
  /** Told of each decision that is on record, before it is answered. */
  decided?: (decisionId: string, caller: string, proceed: boolean) => void;
  /** Left out: each action that has to be looked into is a finding of its own. */
  findings?: Findings;
  /**
   * Told of each decision and observed action in the turn in which its record is handed over, when the profile has learned from
   * it. It may change facts, and throws nothing. Not told of what wasn't the agent's own doing.
   */
  settled?: (act: Act, assessed: Assessment, answer: Answer, kind: Kind) => void;
}

/** Milliseconds that each stage took. */
export interface Stages {
  read: number;
  evaluate: number;
  record: number;
}

export interface Decided {
  answer: Answer;
  /** The answer as JSON, as it stands in the record. */
  text: string;
  /** The purpose as the bundle knows it, null where it doesn't: safe as a metric's label. */
  purpose: string | null;
  stages: Stages;
}

/** What an adapter is asked, in words of its own. */
export interface Heard {
  /** JSON that every parser reads alike. */
  asked: unknown;
  caller: Caller;
}

/** Decides actions. `asked` is an HTTP body and its `Authorization` header. */
export interface Decider {
  /** @throws Problem */
  decide: (body: Buffer, authorization: string | undefined) => Promise<Decided>;
  /** In order, each with its own id and record; one malformed item refuses the whole. @throws Problem */
  decideBatch: (body: Buffer, authorization: string | undefined) => Promise<Decided[]>;
  /** As `decideBatch`, for a caller already proven and JSON already parsed. @throws Problem */
  decideAll: (asked: readonly unknown[], caller: Caller) => Promise<Decided[]>;
  /** Scans a body and proves its caller, who may ask for decisions; what it says is for an adapter to read. @throws Problem */
  hear: (body: Buffer, authorization: string | undefined) => Promise<Heard>;
  /**
   * For a caller already proven and JSON already parsed.
   * @param adapter stands in the record: by whose words it came; left out: by our own
   * @param proof what the agent has proven to a caller that is believed, where the action has no token of its own
   * @throws Problem
   */
  decideAction: (asked: unknown, caller: Caller, kind: Kind, adapter?: string | null, proof?: AgentProof | null) => Promise<Decided>;
  /**
   * As `decideAction`, of several in their order. One that can't be read is its problem, and hinders no other; as many as the
   * adapter takes.
   * @throws Problem of all: no bundle, no records
   */
  decideActions: (asked: readonly unknown[], caller: Caller, adapter: string) => Promise<(Decided | Problem)[]>;
  steps: Steps;
}

/** The steps of a decision one by one, for who judges many actions together. */
export interface Steps {
  /** @throws Problem `bundle_missing`, `bundle_expired` */
  activePolicy: () => ActivePolicy;
  vocabularyOf: (policy: ActivePolicy) => VocabularyReader;
  /** @throws Problem `task_token_unsupported`, `token_invalid`, `token_expired` */
  taskProof: (token: string) => TaskProof;
  /** @throws Problem `facts_behind`, or of the agent's token */
  askerOf: (action: Action, caller: Caller) => Asker | Promise<Asker>;
  /** @param happened null: it is asked what would be, and nothing is learned or recorded */
  begin: (action: Action, asker: Asker, policy: ActivePolicy, happened: Happened | null) => Begun;
  /** @param evaluations of `begun.inputs`, in their order */
  finish: (begun: Begun, evaluations: readonly Evaluation[], action: Action, asker: Asker, policy: ActivePolicy) => Concluded;
  /** Begins, asks the policy and finishes. */
  ask: (action: Action, asker: Asker, policy: ActivePolicy, happened: Happened) => Promise<Concluded>;
  /** Waits for its turn among the agent's actions that have to be asked again; what it returns leaves. */
  enter: (action: Action) => Promise<() => void>;
  /** Whether what a conclusion rests on is still so. To be asked in the turn in which it is handed over. */
  stands: (concluded: Concluded, action: Action, asker: Asker, policy: ActivePolicy) => boolean;
  /** Writes the record of what has happened, and learns from it; it is to be handed over in the same turn. @throws Problem of masks */
  record: (action: Action, asker: Asker, policy: ActivePolicy, concluded: Concluded, times: Times, happened: Happened) => Written;
  /** What was written is not on record. */
  unrecorded: (written: Pick<Written, "answer" | "task">) => void;
}

/** An action on the facts gathered, as far as it goes without the policy. */
export interface Begun {
  gathered: Gathered;
  /** What the policy is asked, of each task of the chain; none where the floor refuses. */
  inputs: readonly string[];
  /** The floor's refusal; null where the policy is asked. */
  refused: Conclusion | null;
  noticed: Noticed;
}

/** What an action comes to on the facts gathered. */
export interface Concluded {
  gathered: Gathered;
  /** What the policy was asked, of each task of the chain; none where the floor refused and no policy was asked. */
  inputs: readonly string[];
  conclusion: Conclusion;
  noticed: Noticed;
  /** Of the grants that permit it, those whose uses are counted. */
  uses: readonly string[];
}

/** A decision whose record the log has, in its place; `decided` resolves when it is on disk. */
export interface Settled {
  decided: Promise<Decided>;
}

/** An answer, and its record as the log takes it. */
export interface Written {
  task: string | null;
  answer: Answer;
  /** The answer as it stands in the record. */
  text: string;
  entry: ReturnType<typeof recordText>;
}
