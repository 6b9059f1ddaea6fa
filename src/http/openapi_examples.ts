/** Examples of the OpenAPI document, by operation. A test holds each against its schema. */

export interface RouteExample {
  request?: unknown;
  /** Body of the answer that says that it went well. */
  answer?: unknown;
}

const TIME = "2027-03-02T09:30:00.000Z";
const LATER = "2027-03-02T17:00:00.000Z";
const ID = "0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10";
const DIGEST = `sha256:${"0d7c".repeat(16)}`;
const TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJULTEifQ.c2lnbmF0dXJl";
const SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const POLICY = { bundle: "customer_support", revision: "2027-03-01", sequence: 12, digest: DIGEST };
const revisions = { revision: 58, facts_revision: 58 };
const page = (item: unknown): object => ({ items: [item], next: null, facts_revision: 58 });
const because = { reason: "incident 12" };
const holds = { in_force: "node", durable: true, problem: null, told: 3, waited_ms: 4.2 };

const asked = {
  ...{ agent: "support-7", purpose: "customer_support", task: "T-1", verb: "read" },
  resource: { type: "invoice", id: "I-9", attributes: { customer: "ada", amount_cents: 4900 } },
};
const decision = {
  ...{ decision: "allow", proceed: true, decision_id: ID, action_digest: DIGEST, valid_for_ms: 5000 },
  reasons: [{ effect: "allow", code: "allowed", severity: "info", message: "read on invoice I-9 is permitted", params: {} }],
  ...{ obligations: [], policy: POLICY, facts_revision: 58 },
};
const denied = {
  ...decision,
  ...{ decision: "deny", proceed: false },
  reasons: [{ effect: "deny", code: "agent_revoked", severity: "high", message: "agent support-7 is revoked", params: {} }],
  tell_agent: "You may not act any more.",
};

const agent = {
  ...{ id: "support-7", version: "1", name: null, owner: "support-platform@example.com", purposes: ["customer_support"] },
  ...{ delegates: [], attributes: {}, credentials: [], token: "optional", status: "active", registered: TIME, bound: TIME },
  ...revisions,
};
const createAgent = { id: agent.id, owner: agent.owner, purposes: agent.purposes };
const task = {
  ...{ id: "T-1", agent: "support-7", purpose: "customer_support", parent: null, principal: "ada" },
  ...{ subjects: { ticket: ["TCK-81"], customer: ["ada"] }, attributes: { topic: "billing" }, verbs: null, expires: LATER, ended: null },
  ...revisions,
};
const createTask = {
  ...{ id: "T-1", agent: "support-7", purpose: "customer_support", principal: "ada" },
  ...{ subjects: task.subjects, attributes: task.attributes, expires: LATER },
};
const createGrant = {
  ...{ id: "G-1", agent: "support-7", entry: { read: "invoice", about: "other", when: { customer: "bob" } }, reason: "chargeback 4711" },
  ...{ requested_by: "ada@example.com", approved_by: "lead@example.com", expires: LATER },
};
const grant = {
  ...{ ...createGrant, task: null, action_digest: null, not_before: TIME, uses: null, ended: null },
  ...{ state: "live", used: 0, fits: true },
  ...revisions,
};
const revocation = {
  ...{ id: "agent/support-7", scope: "agent", of: "support-7", ...because, by: "security-desk", since: TIME, lifted: null },
  ...revisions,
};
const lifted = { at: LATER, by: "security-desk", reason: "a mistake" };
const narrowing = {
  ...{ agent: "support-7", actions_per_minute: 10, purpose: null, why: [], below: null, for_ms: null, ...because },
  ...{ by: "security-desk", since: TIME, lifted: null },
  ...revisions,
};
const waiting = {
  ...{ decision_id: ID, action_digest: DIGEST, approval_digest: DIGEST, until: LATER, purpose: "customer_support", policy: DIGEST },
  ...{ caller: "support-gateway", principals: ["ada@example.com"] },
  fields: [{ field: "/resource/attributes/customer", value: '"bob"' }],
  more: 0,
};
const finding = {
  ...{ id: `F-${ID}`, about: "code", code: "unrelated_financials", agent: "support-7", version: "1", purpose: "customer_support" },
  ...{ severity: "high", risk: null, actions: { all: 1, allow: 0, deny: 0, flag: 1 }, tasks: ["T-1"] },
  codes: [{ code: "unrelated_financials", severity: "high", count: 1 }],
  reasons: [{ code: "unrelated_financials", message: "invoice I-9 belongs to bob, the ticket is about ada", count: 1 }],
  ...{ first: [ID], last: [], waiting: [waiting] },
  ...{ first_seen: TIME, last_seen: TIME, state: "open", verdict: null, revision: 0 },
};
const judged = {
  ...{ id: finding.id, agent: "support-7", state: "misuse", reason: "the agent was tricked", by: "reviewer-1", at: LATER },
  ...{ teaches: [], grants: [], kept_out: "suspended", proposal: null },
};
const record = {
  ...{ seq: 4711, time: TIME, v: 2, kind: "decision", answer: decision, asked: TIME, caller: "support-gateway", previous: null },
  stages: { evaluate_us: 180, read_us: 95 },
};
const action = { agent: "support-7", purpose: "customer_support", task: "T-1", verb: "read", type: "invoice", id: "I-9" };
const found = { seq: 4711, action, outcome: "done", record };
const outcome = { outcome: "done", took_ms: 12, amount: 3 };
const stream = {
  ...{ stream_id: "s-1", iss: "https://remit.example", aud: "siem" },
  ...{ events_supported: [SESSION_REVOKED], events_delivered: [SESSION_REVOKED] },
  delivery: { method: "urn:ietf:rfc:8936", endpoint_url: "https://remit.example/ssf/poll/s-1" },
  min_verification_interval: 60,
};
const metadata = {
  ...{ spec_version: "1_0", issuer: "https://remit.example", jwks_uri: "https://remit.example/ssf/jwks.json" },
  delivery_methods_supported: ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
  ...{ configuration_endpoint: "https://remit.example/ssf/streams", status_endpoint: "https://remit.example/ssf/status" },
  add_subject_endpoint: "https://remit.example/ssf/subjects/add",
  remove_subject_endpoint: "https://remit.example/ssf/subjects/remove",
  verification_endpoint: "https://remit.example/ssf/verify",
  authorization_schemes: [{ spec_urn: "urn:ietf:rfc:6749" }],
  default_subjects: "ALL",
};
const subject = { stream_id: "s-1", subject: { format: "opaque", id: "support-7" } };
const status = { stream_id: "s-1", status: "paused", reason: "maintenance" };
const entities = {
  ...{ subject: { type: "agent", id: "support-7" }, action: { name: "read" }, resource: { type: "invoice", id: "I-9" } },
  context: { purpose: "customer_support", task: "T-1" },
};
const accessTask = {
  task: { id: ID, status: "pending", status_endpoint: `https://remit.example/access/v1/request/${ID}`, expires_at: LATER },
};
/** OPA's APIs that aren't offered have no answer that says that it went well. */
const notOffered: RouteExample = {};
const decisionLogs: RouteExample = {
  request: [{ decision_id: ID, path: "trino/allow", input: { action: { operation: "SelectFromColumns" } }, result: true, timestamp: TIME }],
  answer: { observed: 1, passed_over: 0, rejected: 0 },
};
const opaStatus: RouteExample = { request: { labels: { id: "opa-1" } }, answer: {} };
const note =
  "remit.example/records\n4711\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— remit.example/records Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJ";

export const EXAMPLES: Readonly<Record<string, RouteExample>> = {
  decide: { request: asked, answer: decision },
  decideBatch: { request: { actions: [asked, { ...asked, verb: "delete" }] }, answer: { answers: [decision, denied] } },
  opaData: { request: { input: asked }, answer: { decision_id: ID, result: decision } },
  opaBatch: {
    request: { inputs: { first: asked } },
    answer: { batch_decision_id: ID, responses: { first: { decision_id: ID, result: decision } } },
  },
  opaWebhook: { request: asked, answer: decision },
  opaDefaultDecision: { request: asked, answer: decision },
  opaPolicies: { answer: { result: [] } },
  opaQuery: notOffered,
  opaCompile: notOffered,
  opaConfig: notOffered,
  opaStatus: notOffered,
  opaHealth: { answer: {} },
  opaHealthRule: { answer: {} },
  getHealth: { answer: { status: "ok" } },
  getReadiness: { answer: { ready: true, bundle: true, facts: true, log: true, accepting: true } },
  getMetrics: { answer: "# TYPE remit_decisions_total counter\nremit_decisions_total 4711\n" },
  getBundles: {
    answer: {
      name: "customer_support",
      wanted: { bytes: 181_204, modified: TIME, identity: POLICY },
      running: POLICY,
      refused: null,
      staged: null,
      back: null,
      source: null,
    },
  },
  publishBundle: { answer: { running: POLICY, staged: null, back: null } },
  goBackToBundle: { answer: { running: POLICY, staged: null, back: null } },
  dropStagedBundle: {
    answer: {
      identity: { ...POLICY, revision: "2027-03-08", sequence: 13 },
      share: 10,
      since: TIME,
      compared: 4711,
      flips: 1,
      other_reasons: 3,
      errors: 0,
      skipped: 0,
      differences: [{ from: "allow", to: "flag", reason: "refund_too_large", agent: "support-1", count: 1 }],
    },
  },
  downloadBundle: {},
  getCosignedCheckpoint: { answer: note },
  getCheckpoint: { answer: note },
  addCheckpoint: { request: `old 0\n\n${note}`, answer: "\u2014 remit.example/w1 1f0e8a3cAAAAAGl\u2026\n" },
  getWitnessedCheckpoint: { answer: note },
  getWitnessKey: { answer: { key: "remit.example/w1+7e136b5c+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f" } },
  getLogKeys: { answer: { origin: "remit.example/records", keys: ["remit.example/records+1f0e8a3c+AQy2"] } },
  getConsistencyProof: { answer: { checkpoint: note, proof: ["CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="], size: 4711 } },
  getTile: {},
  explainDecision: {
    request: { decision_id: ID },
    answer: {
      decision_id: ID,
      decided: {
        ...{ decision: "deny", proceed: false },
        reasons: [
          {
            effect: "deny",
            code: "not_permitted",
            severity: "medium",
            message: "nothing permits read on order for purpose customer_support",
            params: {},
          },
        ],
      },
      refused: null,
      explanation: {
        ...{ decision: "deny", proceed: false, codes: ["not_permitted"] },
        entries: [
          {
            ...{ effect: "allow", code: "customer_support.allow.2", applies: "no" },
            conditions: [{ name: "task.topic", wanted: "billing", found: "delivery", holds: "no" }],
          },
        ],
        rules: [],
        plan: null,
        would_pass: {
          ways: [
            {
              changes: [{ kind: "grant", path: null, found: null, to: null, words: "a grant let it" }],
              decision: "allow",
            },
          ],
          ...{ grant: "lifts", tried: 12 },
        },
      },
      ...{ same_policy: true, masked: false },
    },
  },
  searchRecords: { answer: { items: [found], next: null, indexed_to: 4711 } },
  followRecords: { answer: { id: "4711", event: "record", data: JSON.stringify(found) } },
  summarizeRecords: {
    answer: {
      by: ["agent"],
      records: 3,
      groups: [
        {
          ...{ of: { agent: "support-7" }, records: 3, allow: 1, deny: 1, flag: 1, proceed: 1 },
          ...{ first: TIME, last: LATER, last_seq: 4711 },
        },
      ],
      more: false,
      indexed_to: 4711,
    },
  },
  countRecordsOverTime: {
    answer: {
      by: ["decision"],
      step_ms: 3_600_000,
      counts: [{ from: TIME, of: { decision: "deny" }, records: 2, allow: 0, deny: 2, flag: 0, proceed: 0 }],
      indexed_to: 4711,
    },
  },
  getReceipt: {
    answer: {
      ...{ index: 4710, proof: [], record: JSON.stringify(record), checkpoint: note, keys: ["remit.example/records+1f0e8a3c+AQy2"] },
      ...{ outcomes: [], v: 1 },
    },
  },
  getInclusionProof: { answer: `c2sp.org/tlog-proof@v1\nindex 4710\n\n${note}` },
  getRecord: {
    answer: { ...found, leaf: 4710, beside: null, beside_missing: false, outcomes: [], indexed_to: 4711 },
  },
  observeActions: {
    request: { ...asked, at: TIME, outcome: "done" },
    answer: { accepted: 1, not_permitted: 0, flagged: 0, refused: [], recorded_to: 4711, stopped: null },
  },
  submitRecords: {
    request: { origin: "shop-1", records: [{ record: { ...record, seq: 17 } }] },
    answer: { taken: 1, known: 0, refused: [] },
  },
  takeDecisionLogs: decisionLogs,
  takeDecisionLogsOf: decisionLogs,
  takeStatus: opaStatus,
  takeStatusOf: opaStatus,
  exportTraces: { request: { resourceSpans: [] }, answer: {} },
  exportLogs: { request: { resourceLogs: [] }, answer: {} },
  exportMetrics: { request: { resourceMetrics: [] }, answer: {} },
  reportOutcome: { request: outcome, answer: { decision_id: ID, ...outcome, time: TIME } },
  reportNotice: {
    request: {
      ...{ code: "tool_changed", agent: "support-7", purpose: "customer_support", server: "crm", tool: "read_invoice" },
      changed: ["description"],
    },
    answer: { id: ID, finding: finding.id },
  },
  listApprovals: {
    answer: {
      items: [
        {
          ...{ finding: finding.id, agent: "support-7", severity: "high", message: finding.reasons[0]?.message ?? null, state: "waiting" },
          ...{ action: waiting, quorum: 1, roles: [], given: [], grant: null, refusal: null },
        },
      ],
      more: false,
      indexed_to: 4711,
    },
  },
  listFindings: { answer: { items: [finding], next: null, indexed_to: 4711 } },
  followFindings: { answer: { id: "4711-58", event: "finding", data: JSON.stringify({ change: "opened", finding }) } },
  getFinding: { answer: { ...finding, timeline: [found], indexed_to: 4711 } },
  judgeFinding: {
    request: { state: "misuse", reason: "the agent was tricked", keep_out: "suspend" },
    answer: { ...finding, state: "misuse", verdict: judged, revision: 59, in_force: { revision: 59, ...holds } },
  },
  approveWaitingAction: { request: { reason: "a person checked it", decision: ID }, answer: grant },
  receiveSecurityEvent: { request: TOKEN },
  listTransmitters: { answer: { transmitters: [], unproven: {}, queue: 0, streams: [] } },
  ssfConfiguration: { answer: metadata },
  ssfConfigurationOfPath: { answer: metadata },
  ssfKeys: { answer: { keys: [{ kty: "EC", crv: "P-256", kid: "ssf-1", x: "f83OJ3D2xF1B", y: "x_FEzRu9m36H" }] } },
  ssfCreateStream: { request: { delivery: { method: "urn:ietf:rfc:8936" } }, answer: stream },
  ssfGetStream: { answer: [stream] },
  ssfChangeStream: { request: { stream_id: "s-1", description: "for the SIEM" }, answer: { ...stream, description: "for the SIEM" } },
  ssfReplaceStream: { request: { stream_id: "s-1", delivery: { method: "urn:ietf:rfc:8936" } }, answer: stream },
  ssfDeleteStream: {},
  ssfGetStatus: { answer: status },
  ssfChangeStatus: { request: status, answer: status },
  ssfAddSubject: { request: subject },
  ssfRemoveSubject: { request: subject },
  ssfVerify: { request: { stream_id: "s-1", state: "nonce-1" } },
  ssfPoll: { request: { maxEvents: 10, returnImmediately: true, ack: [] }, answer: { sets: { "jti-1": TOKEN } } },
  createAgent: { request: createAgent, answer: agent },
  listAgents: { answer: page(agent) },
  getAgent: { answer: agent },
  changeAgent: { request: { status: "suspended", ...because }, answer: { ...agent, status: "suspended", ...holds } },
  createTask: { request: createTask, answer: task },
  listTasks: { answer: page(task) },
  getTask: { answer: task },
  changeTask: {
    request: { ended: true, reason: "the ticket is closed" },
    answer: { ...task, ended: { at: LATER, reason: null }, ...holds },
  },
  issueTaskToken: { answer: { task: "T-1", task_token: TOKEN } },
  createGrant: { request: createGrant, answer: grant },
  listGrants: { answer: page(grant) },
  getGrant: { answer: grant },
  endGrant: {
    request: { ended: true, reason: "no longer needed" },
    answer: { ...grant, state: "ended", ended: { at: LATER, reason: "no longer needed" }, ...holds },
  },
  listNarrowings: { answer: page(narrowing) },
  getNarrowing: { answer: narrowing },
  narrowAgent: { request: { ...because, actions_per_minute: 5 }, answer: { ...narrowing, actions_per_minute: 5, ...holds } },
  liftNarrowing: { request: { reason: "a mistake" }, answer: { ...narrowing, lifted } },
  getAgentProfile: {
    answer: {
      agent: "support-7",
      risk: 12,
      profile: {
        ...{
          first: TIME,
          last: LATER,
          days: 12,
          acts: 340,
          risk: 14,
          hours: Array.from({ length: 24 }, (_, hour) => (hour === 9 ? 1 : 0)),
        },
        habits: [{ verb: "read", type: "invoice", acts: 120, days: 11, is_new: false }],
        usual: {
          ...{ acts_in_2_min: 9, resources_in_session: 6 },
          types: [{ type: "invoice", acts_in_5_min: 12, distinct_in_10_min: 5, distinct_in_a_week: 60, with_task: 1, on_known: 0.2 }],
        },
        ...{ sources: 1, evidence: [{ test: "order", odds: 1.4, finds_at: 2200 }], checkpoints: [TIME] },
      },
    },
  },
  getBehaviorThresholds: {
    answer: {
      items: [
        {
          ...{ purpose: "customer_support", expected: 3, misuse: 0, score: 0.3 },
          ...{ log: { at: 25, before: 28 }, flag: { at: 60, before: 62 }, hold: { at: 60, before: 62 }, narrow: { at: 60, before: 62 } },
          ...{ suspend: { at: 85, before: 86 }, channels: [{ channel: "drift", then: "log", at: 3 }] },
        },
      ],
    },
  },
  rollBackProfile: { request: { to: TIME, ...because }, answer: { agent: "support-7", to: TIME } },
  revoke: { request: { scope: { agent: "support-7" }, ...because }, answer: { ...revocation, ...holds } },
  listRevocations: { answer: page(revocation) },
  getRevocation: { answer: revocation },
  liftRevocation: { request: { reason: "a mistake" }, answer: { ...revocation, lifted } },
  getRevocationOfEverything: { answer: { ...revocation, id: "everything", scope: "everything", of: "" } },
  liftRevocationOfEverything: {
    request: { reason: "a mistake" },
    answer: { ...revocation, id: "everything", scope: "everything", of: "", lifted },
  },
  getCluster: {
    answer: {
      ...{ name: "support", node: "a", incarnation: "01a22683-8654-7c00-8000-000000000000", lease_ms: 2000, nodes_max: 3 },
      ...{ lease_left_ms: 1840, ended: null, facts_revision: 58, chain: "0".repeat(64), nodes: [], silent: [] },
      feeds: [
        { feed: "facts", leader: "n1", silent_ms: 140 },
        { feed: "restrictions", leader: "n2", silent_ms: 139 },
      ],
      bundles: { same: true, differ_ms: null, running: [{ digest: DIGEST, nodes: ["a", "b", "c"], since: TIME }] },
      lessons: {
        ...{ behind_ms: 210, late: 0 },
        nodes: [
          { node: "b", behind_ms: 190 },
          { node: "c", behind_ms: 210 },
        ],
      },
    },
  },
  dismissNode: { request: { reason: "its machine is gone" } },
  listFactsEvents: {
    answer: page({ revision: 58, key: "agent/support-7", change: "revoked", by: "security-desk", time: TIME, ...because, value: null }),
  },
  followEvents: { answer: { id: "58", event: "reset", data: JSON.stringify({ facts_revision: 58 }) } },
  askForEcho: { request: { stream: ID, nonce: "n-1" } },
  importFacts: {
    request: { agents: { "support-7": { owner: agent.owner, purposes: agent.purposes } } },
    answer: {
      ...{ id: "import-1", status: "applied", created: 1, changed: 0, unchanged: 0 },
      ...{ differences: [{ key: "agent/support-7", fields: [] }], facts_revision: 58 },
    },
  },
  exportFacts: { answer: `${JSON.stringify({ agent: createAgent })}\n` },
  authzenEvaluation: { request: entities, answer: { decision: true } },
  authzenEvaluations: { request: { ...entities, evaluations: [{}] }, answer: { evaluations: [{ decision: true }] } },
  authzenSearchSubjects: {
    request: { ...entities, subject: { type: "agent" } },
    answer: { page: { next_token: "", count: 1 }, results: [{ type: "agent", id: "support-7" }] },
  },
  authzenSearchResources: {
    request: { ...entities, resource: { type: "invoice" } },
    answer: { page: { next_token: "", count: 1 }, results: [{ type: "invoice", id: "I-9" }] },
  },
  authzenSearchActions: {
    request: { subject: entities.subject, resource: entities.resource, context: entities.context },
    answer: { page: { next_token: "", count: 1 }, results: [{ name: "read" }] },
  },
  authzenRequestAccess: { request: entities, answer: accessTask },
  authzenGetAccessRequest: { answer: accessTask },
  authzenConfiguration: { answer: { policy_decision_point: "https://remit.example" } },
  envoyCheck: {},
  getOpenApi: { answer: { openapi: "3.1.0" } },
};

/** Parameters of paths, by the segment before them. */
export const PATH_PARAMETERS: Readonly<Record<string, { description: string; example: string }>> = {
  "agents/id": { description: "Id of the agent", example: "support-7" },
  "tasks/id": { description: "Id of the task", example: "T-1" },
  "grants/id": { description: "Id of the grant", example: "G-1" },
  "decisions/id": { description: "Id of the decision, or `seq` of the record", example: ID },
  "findings/id": { description: "Id of the finding", example: `F-${ID}` },
  "nodes/id": { description: "Name of the node", example: "c" },
  "bundles/name": { description: "Name of the bundle, with or without `.tar.gz`", example: "customer_support" },
  "revocations/scope": { description: "Kind of thing that is revoked; of a transmitter's with `@` and its name", example: "agent" },
  "{scope}/of": { description: "Id of what is revoked, percent-encoded", example: "support-7" },
  "witness/log": { description: "SHA-256 of the log's origin, in hex", example: "a".repeat(64) },
  "cosigned/witness": { description: "Name of the witness in `log.witnesses`", example: "w1" },
  "tile/tile": { description: "Path of the tile (C2SP tlog-tiles), with its level first", example: "0/000" },
  "logs/partition": { description: "Name of the partition (OPA's `partition_name`); it changes nothing", example: "edge" },
  "status/partition": { description: "Name of the partition (OPA's `partition_name`); it changes nothing", example: "edge" },
  "health/rule": { description: "Name of the rule: `live` or `ready`", example: "ready" },
  "poll/stream_id": { description: "Id of the stream", example: "s-1" },
  "ssf-configuration/path": { description: "Path of the issuer", example: "tenant-1" },
  "request/id": { description: "Id of the access request", example: ID },
};
