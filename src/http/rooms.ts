/** Needs of routes from the rooms behind them, as the service puts these together. */
import type { Streams } from "../adapters/events/streams.js";
import type { TransmitterMetadata, ReceivedStream, ToldStream } from "../contract/security_events.js";
import type { SetSigner } from "../adapters/events/signer.js";
import type { Receiver } from "../adapters/events/receiver.js";
import type { Notices } from "../findings/notices.js";
import type { Sensors } from "../findings/sensors.js";
import type { OtlpReports } from "../adapters/otlp/report.js";
import type { Findings } from "../findings/findings.js";
import type { Reviewer, Verdicts } from "../findings/verdicts.js";
import type { FindingStreams } from "./finding_stream.js";
import type { ApprovalFilter } from "../findings/approvals.js";
import type {
  AgentProfile,
  ClusterAnswer,
  FleetBundlesAnswer,
  ExplainAnswer,
  Finding,
  FoundRecord,
  HandIn,
  HandedIn,
  ShownRecord,
  WaitingApproval,
} from "../contract/index.js";
import type { Caller } from "../decision/ports.js";

/** Streams that tell others of revocations, suspensions and narrowings. */
export interface TransmitterRoom {
  streams: Streams;
  metadata: TransmitterMetadata;
  /** Public keys as a JWK set. */
  jwks: SetSigner["jwks"];
}

export interface SecurityEventsState {
  received: readonly ReceivedStream[];
  /** Tokens that were refused, and not proven to come from anyone, by the error. */
  unproven: Readonly<Partial<Record<string, number>>>;
  /** Tokens being taken now. */
  queue: number;
  told: readonly ToldStream[];
}

/** Security events, in both directions. */
export interface SecurityEventsRoom {
  /** Null where no transmitter is configured. */
  receiver: (Pick<Receiver, "take"> & { bytes_max: number }) | null;
  /** Null where nobody is told anything. */
  transmitter: TransmitterRoom | null;
  readonly state: SecurityEventsState;
}

/** Notices, sensors that are missed, and traces: they tell of enforcement that isn't alive. */
export interface SensingRoom {
  notices: Notices;
  sensors: Sensors;
  /** Null where nothing says what traces mean. */
  otlp: { reports: OtlpReports; body_bytes_max: number } | null;
}

/** Findings, their verdicts, and what waits for a person. */
export interface FindingsRoom {
  findings: Findings;
  verdicts: Verdicts;
  streams: FindingStreams;
  /** Actions that wait for a person, or did; `reviewer` is null if the caller has no right to approve. */
  approvals: (filter: ApprovalFilter, reviewer: Reviewer | null, sees: (finding: Finding) => boolean) => WaitingApproval[];
  /** @throws Problem `index_unavailable` */
  timeline: (finding: Finding) => Promise<{ timeline: FoundRecord[]; indexed_to: number }>;
}

/** Explains a decision on record by the running policy. @throws Problem `bundle_missing`, `record_not_found` */
export type Explain = (shown: ShownRecord) => Promise<ExplainAnswer>;

/** The cluster that this service is a node of. */
export interface ClusterRoom {
  readonly answer: ClusterAnswer;
  /** Milliseconds for which this node may allow; 0 if it may not. */
  readonly lease_left_ms: number;
  /** Bundles that the live nodes run. */
  readonly bundles: FleetBundlesAnswer;
  /** Returns a node that is silent. @throws Problem `node_not_found`; `node_live` while its lease may run */
  silentNode(node: string): ClusterAnswer["silent"][number];
  /** Has a silent node count as gone. @throws Problem as `silentNode` */
  dismiss(node: string): void;
}

/** Profiles of behaviour, as people look at them. */
export interface ProfileRoom {
  /** Describes an agent's behaviour for people. */
  describe(agent: string): AgentProfile;
  /**
   * Puts an agent's habits back to what they were at the newest checkpoint not after `to_ms`, on record.
   * @returns when that was, milliseconds
   * @throws Problem `checkpoint_not_found`, and those of the log
   */
  rollBack(agent: string, to_ms: number, by: string, reason: string): Promise<number>;
}

/** Records that engines in applications send. */
export interface HandInRoom {
  /**
   * Resolves when all of them are dealt with.
   * @throws Problem `log_unavailable`, `log_backlog`, `index_unavailable`: they have to be handed in again, whole
   */
  take(caller: Caller, asked: HandIn): Promise<HandedIn>;
}
