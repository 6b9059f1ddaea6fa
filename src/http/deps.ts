/** Dependencies of the routes; `service.ts` provides them. */
import type { Authzen } from "../adapters/authzen/authzen.js";
import type { EnvoyPorts } from "../adapters/envoy/check.js";
import type { OpaMapping } from "../adapters/opa/mapping.js";
import type { SegmentLog } from "../audit/log/log.js";
import type { Cosigner } from "../audit/log/cosigner.js";
import type { LogIdentity } from "../audit/log/log_keys.js";
import type { OwnRecords } from "../audit/log/own_records.js";
import type { FleetRecords } from "./fleet_records.js";
import type { FleetStage } from "./fleet_stage.js";
import type { FollowedFleet } from "./fleet_stream.js";
import type { RecordSearch } from "../records/search.js";
import type { BundlesAnswer, PublishAnswer, PurposeThresholds, Scope, StagedBundle } from "../contract/index.js";
import type { Decider } from "../decision/decide.js";
import type { Observer } from "../decision/observe.js";
import type { OutcomeReports } from "../decision/outcomes.js";
import type { Caller, Identity } from "../decision/ports.js";
import type { ScanLimits } from "../decision/scan.js";
import type { Commands } from "../facts/commands.js";
import type { Attribution } from "../facts/ledger.js";
import type { Sight } from "../facts/reach.js";
import type { TaskWork } from "../identity/task_tokens.js";
import type { WithinTrace } from "../telemetry/decisions.js";
import type { Logger } from "../system/logger.js";
import type { Timers } from "../system/index.js";
import type { BundleArchive } from "../policy/source.js";
import type { Admission } from "./admission.js";
import type { BundleWaiters } from "./bundle_waiters.js";
import type { EventStreams } from "./event_streams.js";
import type { FindingsDesk } from "./findings_desk.js";
import type { Flights } from "./flights.js";
import type { Metrics } from "./metrics.js";
import type { Callers } from "./share.js";
import type { RecordStreams } from "./record_stream.js";
import type { ClusterRoom, Explain, FindingsRoom, HandInRoom, ProfileRoom, SecurityEventsRoom, SensingRoom } from "./rooms.js";

export interface BundlesPort {
  readonly status: BundlesAnswer;
  /** @throws Problem `bundle_missing`, `bundle_expired` */
  running(): BundleArchive;
  /** Returns the archive of the active bundle, or of an earlier one that is kept; null if neither has this digest. */
  find(digest: string): Promise<Uint8Array | null>;
  /** @throws Problem `bundle_refused`; in a cluster whose feed activates bundles also `store_unavailable`, `outcome_unknown` */
  publish(bytes: Buffer, act: Attribution): Promise<PublishAnswer>;
  /** @param share percentage of the agents that it decides for; 0 is shadow. @throws Problem as `publish` */
  stage(bytes: Buffer, share: number, act: Attribution): Promise<PublishAnswer>;
  /** Bundle whose stage can be ended: what is tried here, or what the feed of a cluster has staged; null: nothing. */
  readonly staged: StagedBundle | null;
  /** Ends the stage of the bundle with this digest, on all nodes if the feed of a cluster has staged it. @throws Problem as `publish` */
  dropStaged(digest: string, act: Attribution): Promise<void>;
  /** Keeps a bundle as the way back. @throws Problem `bundle_refused` */
  keepBack(bytes: Buffer): Promise<PublishAnswer>;
  /** Activates the way back that has this digest. @throws Problem as `publish` */
  goBack(digest: string, act: Attribution): Promise<PublishAnswer>;
}

/** States that `/readyz` reports: ready if all are true. */
export interface Readiness {
  bundle: boolean;
  facts: boolean;
  /** True if changes of facts reach the disk. Decisions go on without. */
  stored: boolean;
  log: boolean;
  accepting: boolean;
}

export interface HttpLimits extends ScanLimits {
  body_bytes_max: number;
  batch_bytes_max: number;
  batch_actions_max: number;
  bundle_bytes_max: number;
  import_bytes_max: number;
  header_bytes_max: number;
  connections_max: number;
  decisions_max: number;
  headers_ms: number;
  body_ms: number;
  keep_alive_ms: number;
  observe: {
    streams_max: number;
    bytes_max: number;
    /** Time for which nothing may come. */
    idle_ms: number;
  };
}

export interface HttpIdentity extends Pick<Identity, "mayAskFor">, Callers {
  /** Authenticates a caller. @throws Problem as `Identity`, `caller_token_revoked` and `caller_cut_off` */
  authenticate: (authorization: string | undefined, scope: Scope) => Promise<Caller>;
  /** The agents and purposes that `mayAskFor` is true of. */
  rightsOf: (caller: Caller) => Sight;
  /** Roles that `callers` gives it. */
  rolesOf: (caller: Caller) => ReadonlySet<string>;
  readonly issuesTaskTokens: boolean;
  /** @throws Problem `task_token_unsupported`, `task_over` */
  issueTaskToken: (work: TaskWork) => string;
}

export interface EnvoyDeps {
  ports: Omit<EnvoyPorts, "decide">;
  /** @throws Problem of the proxy's own token */
  authenticate: (authorization: string | undefined) => Caller | Promise<Caller>;
  /** Below which requests are asked about over HTTP; left out: nowhere. */
  path?: string | undefined;
}

export interface HttpDeps extends SensingRoom {
  decider: Decider;
  /** Left out: AuthZEN isn't spoken. */
  authzen?: Authzen | undefined;
  /** Left out: no proxy asks about requests. */
  envoy?: EnvoyDeps | undefined;
  /** Documents that other products ask for; empty if left out. */
  opa?: OpaMapping | undefined;
  observer: Observer;
  outcomes: Pick<OutcomeReports, "report">;
  identity: HttpIdentity;
  /** One bound for all doors. */
  admission: Admission;
  /** Admission of observed actions, streams and traces; apart from decisions, which come first in everything that they share. */
  observing: Admission;
  /** Admission of records that engines send. */
  handingIn: Admission;
  facts: Commands;
  /** Left out: the service decides alone. */
  cluster?: ClusterRoom | undefined;
  flights: Flights;
  profile: ProfileRoom;
  /** Returns the thresholds of the active bundle's purposes; none without a bundle. */
  thresholds: () => readonly PurposeThresholds[];
  events: EventStreams;
  bundles: BundlesPort;
  bundleWaiters: BundleWaiters;
  records: OwnRecords;
  log: SegmentLog;
  search: RecordSearch;
  /** Records of all nodes of the cluster. Left out: the service decides alone. */
  fleet?: FleetRecords | undefined;
  /** Counts of the stage of a bundle on all nodes of the cluster. Left out: the service decides alone. */
  fleetStage?: FleetStage | undefined;
  /** Streams of all nodes of the cluster. Left out: the service decides alone. */
  following?: FollowedFleet | undefined;
  explain: Explain;
  recordStreams: RecordStreams;
  findings: FindingsRoom;
  /** Findings of this service, or of all nodes of its cluster. */
  desk: FindingsDesk;
  handedIn: HandInRoom;
  securityEvents: SecurityEventsRoom;
  logKeys: LogIdentity;
  /** Returns the last checkpoint that a witness cosigned; null: none, or no such witness. */
  cosigned: (witness: string) => string | null;
  /** Witness of other logs; null: it witnesses nothing. */
  cosigner: Pick<Cosigner, "key" | "submit" | "checkpoint"> | null;
  readiness: () => Readiness;
  metrics: Metrics;
  logger: Logger;
  timers: Timers;
  newId: () => string;
  limits: HttpLimits;
  hosts: readonly string[];
  tls?: { cert: Buffer; key: Buffer } | undefined;
  /** Left out: no spans are sent. */
  withinTrace?: WithinTrace | undefined;
}
