/** Puts the room of findings together: which finding an action belongs to, what people see of them, and what they say. */
import { join } from "node:path";
import { poster } from "../system/post.js";
import type { RecordSearch } from "../records/search.js";
import { isVerdict, type Act, type Answer, type DecisionRecord, type FindingState, type StreamEnd } from "../contract/index.js";
import type { Chain } from "../decision/chain.js";
import type { Commands } from "../facts/commands.js";
import { listApprovals } from "../findings/approvals.js";
import { Findings } from "../findings/findings.js";
import { HeldActions } from "../findings/held_actions.js";
import { Incidents } from "../findings/incidents.js";
import { recallIncidents } from "../findings/recall.js";
import { actionsOf, timelineOf } from "../findings/timeline.js";
import { Verdicts, type ApprovingPolicy } from "../findings/verdicts.js";
import { Webhook } from "../findings/webhook.js";
import { FindingStreams } from "../http/finding_stream.js";
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import type { PastAhead } from "./past_ahead.js";
import type { Approvable } from "../decision/question.js";
import type { FindingsRoom } from "../http/rooms.js";

const DAY_MS = 86_400_000;
const CURSOR = "findings/webhook.cursor";

export interface FindingsDeps {
  config: Pick<Config, "findings" | "log" | "events">;
  commands: Commands;
  search: RecordSearch;
  system: System;
  logger: Logger;
  /** Parts of the log that were read before; null: none. */
  pastAhead: PastAhead | null;
  /** Takes in the last decisions of tasks after those. */
  chain: Chain;
  /** The active policy; null until there is one. */
  policy: () => ApprovingPolicy | null;
  /** Returns the action that the profile learns from a record; null if it learns nothing. */
  actOf: (record: DecisionRecord) => Act | null;
  /** Called for each stream that the service ends, with its caller. */
  ended: (why: StreamEnd, caller: string) => void;
}

export interface WiredFindings extends FindingsRoom {
  /** Which finding an action belongs to. */
  incidents: Incidents;
  /** Digests of actions that wait. */
  held: Pick<HeldActions, "of" | "size">;
  /** Takes in each answer in the turn in which its record is handed over. */
  settled: (agent: string, answer: Answer, approval: Approvable | null) => void;
  /** State: findings that nobody has closed, who follows them, and whether the webhook can't be told. */
  readonly state: { open: number; followers: number; webhook_failing: boolean };
  /** Begins to look at the records. */
  start(): void;
  close(): Promise<void>;
}

/** Reads which incidents are going on: before anything is decided. */
export function wireFindings(deps: FindingsDeps): WiredFindings {
  const { commands, search, system } = deps;
  const { clock, timers } = system;
  const { findings: config, log, events } = deps.config;
  const { kept_max, kept_days, approval_lasts_ms, followers_max } = config;
  const incidents = deps.pastAhead?.incidents ?? new Incidents();
  recallIncidents(log.dir, incidents, clock.wall(), deps.pastAhead?.place, Infinity, deps.chain);
  const findings = new Findings(commands.registry, { kept_max, wait_ms: log.index.wait_ms }, timers);
  const held = new HeldActions();
  const verdicts = new Verdicts({
    findings,
    held,
    facts: commands,
    clock,
    policy: deps.policy,
    recordsOf: (finding, max) => actionsOf(search, finding, max),
    actOf: deps.actOf,
    limits: { approval_lasts_ms },
  });
  const streams = new FindingStreams({
    findings,
    system,
    limits: { followers_max, heartbeat_ms: events.heartbeat_ms },
    ended: deps.ended,
  });
  const unlisten = commands.ledger.listen(({ key, value }) => {
    if (!key.startsWith("finding/")) return;
    // In the turn in which its record is handed over: what is decided next comes after it in the log too.
    const { id, state } = value as unknown as FindingState;
    if (isVerdict(state)) incidents.close(id);
    findings.judged();
  });
  let webhook: RunningWebhook | null = null;
  return {
    findings,
    verdicts,
    streams,
    incidents,
    held,
    settled: (agent, answer, approval) => {
      if (approval !== null) held.settled(agent, answer, approval.principals);
    },
    approvals: (filter, reviewer, sees) =>
      listApprovals(
        {
          findings: () => findings.newestFirst(),
          grantOf: (agent, decision, digest) => commands.approvalGrant(agent, decision, digest),
          held: (waiting) => held.of(waiting),
          policy: deps.policy(),
          nowMs: clock.wall(),
        },
        filter,
        reviewer,
        sees,
      ),
    timeline: (finding) => timelineOf(search, finding, findings.places(finding.id)),
    get state() {
      return { open: findings.open, followers: streams.size, webhook_failing: webhook?.isFailing() ?? false };
    },
    start() {
      findings.start(search, clock.wall() - kept_days * DAY_MS);
      if (config.webhook !== undefined) webhook = startWebhook(config.webhook, join(log.dir, CURSOR), findings, deps);
    },
    async close() {
      unlisten();
      streams.close();
      await webhook?.stop();
      findings.stop();
    },
  };
}

interface RunningWebhook {
  isFailing: () => boolean;
  stop: () => Promise<void>;
}

function startWebhook(
  { url, timeout_ms, ...options }: NonNullable<Config["findings"]["webhook"]>,
  cursor: string,
  findings: Findings,
  { system, logger }: FindingsDeps,
): RunningWebhook {
  const { post, close } = poster(new URL(url), timeout_ms, system.timers);
  const webhook = new Webhook(options, findings, cursor, system, post, {
    failing: (detail) => {
      report(logger, "webhook_failing", { code: "webhook_failing", detail });
    },
    delivering: () => {
      report(logger, "webhook_back");
    },
    setAside: (finding, detail) => {
      report(logger, "webhook_refused", { code: "webhook_set_aside", finding, detail });
    },
    cursorDamaged: (detail) => {
      report(logger, "webhook_cursor_damaged", { code: "cursor_damaged", detail });
    },
    cursorUnwritable: (detail) => {
      report(logger, "webhook_cursor_unsaved", { code: "cursor_unwritable", detail });
    },
  });
  const ended = webhook.run();
  return {
    isFailing: () => webhook.failing,
    async stop() {
      webhook.stop();
      close();
      await ended;
    },
  };
}
