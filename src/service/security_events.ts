/** Puts the room of security events together: what comes in by push and poll, and what is told to others. */
import { join } from "node:path";
import { exchanger } from "../system/exchange.js";
import { Journal } from "../adapters/events/journal.js";
import { Poller } from "../adapters/events/poller.js";
import { Receiver, type Transmitter } from "../adapters/events/receiver.js";
import { Verifying } from "../adapters/events/stream_verification.js";
import type { OwnRecords } from "../audit/log/own_records.js";
import type { ReceivedStream } from "../contract/security_events.js";
import type { Commands } from "../facts/commands.js";
import { SSF, issuersKeys } from "../identity/configured_identity.js";
import type { JwtIdentity } from "../identity/jwt.js";
import { KeyRefused } from "../identity/keys.js";
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { readSecret } from "../system/read_file.js";
import { EventEffects } from "./event_effects.js";
import { signerOf, wireEventTransmission } from "./event_transmission.js";
import type { SecurityEventsState, SecurityEventsRoom } from "../http/rooms.js";

export interface SecurityEventsDeps {
  config: Config;
  commands: Commands;
  records: OwnRecords;
  identity: Pick<JwtIdentity, "rightsOf">;
  system: System;
  logger: Logger;
  /** Replaces whom an event is about where the bundle masks principals: its record, and the operational log, show a digest. */
  masked: (detail: Record<string, unknown>) => Record<string, unknown>;
}

export interface WiredSecurityEvents extends SecurityEventsRoom {
  /** Begins to poll, and to tell. */
  start(): void;
  /** Takes nothing more by itself. */
  stop(): Promise<void>;
  /** Lets go of its files. */
  close(): Promise<void>;
}

type ReceiverConfig = NonNullable<NonNullable<Config["security_events"]>["receiver"]>;
type TransmitterConfig = ReceiverConfig["transmitters"][number];

export async function wireSecurityEvents(deps: SecurityEventsDeps): Promise<WiredSecurityEvents> {
  const { security_events: events } = deps.config;
  const { receiver, transmitter, dir = "" } = events ?? {};
  const incoming = receiver === undefined ? null : await wireReceiver(receiver, dir, deps);
  const outgoing = transmitter === undefined ? null : await wireEventTransmission(transmitter, dir, deps);
  return {
    receiver: incoming?.receiver ?? null,
    transmitter: outgoing,
    get state() {
      return {
        received: incoming?.received ?? [],
        unproven: incoming?.unproven ?? {},
        queue: incoming?.queue ?? 0,
        told: outgoing?.state ?? [],
      };
    },
    start() {
      incoming?.start();
      outgoing?.start();
    },
    async stop() {
      await Promise.all([incoming?.stop(), outgoing?.close()]);
    },
    async close() {
      await incoming?.close();
    },
  };
}

/** Reads what a start reads of security events, and nothing more. @throws KeyRefused, or the file system's error, saying what is wrong */
export function checkSecurityEvents(config: Config, system: System): void {
  const { receiver, transmitter } = config.security_events ?? {};
  for (const one of receiver?.transmitters ?? []) transmitterOf(one, receiver?.audience ?? "", { config, system, logger: null });
  if (transmitter !== undefined) signerOf(transmitter, config);
}

type Reading = Pick<SecurityEventsDeps, "config" | "system"> & { logger: Logger | null };

/** Runs beside the service until it is stopped. */
interface Running {
  run(): Promise<void>;
  stop(): void;
}

interface WiredReceiver {
  receiver: NonNullable<SecurityEventsRoom["receiver"]>;
  readonly received: readonly ReceivedStream[];
  readonly unproven: SecurityEventsState["unproven"];
  readonly queue: number;
  start(): void;
  stop(): Promise<void>;
  close(): Promise<void>;
}

async function wireReceiver(config: ReceiverConfig, folder: string, deps: SecurityEventsDeps): Promise<WiredReceiver> {
  const { commands, masked, records, system, logger } = deps;
  const transmitters = config.transmitters.map((one) => transmitterOf(one, config.audience, deps));
  const journal = await Journal.open(join(folder, "received"), config.remembered_max, (detail) => {
    report(logger, "journal_damaged", { code: "journal_damaged", detail });
  });
  const facts = new EventEffects(commands, system.clock, config);
  const { leeway_s } = deps.config.identity;
  const receiver = new Receiver({
    transmitters,
    facts,
    journal,
    record: (by, detail) => records.admin(by, "security_event", masked({ ...detail })),
    system,
    limits: { leeway_s, token_bytes_max: config.bytes_max, json: deps.config.limits, under_way_max: config.under_way_max },
    report: (outcome, fields) => {
      const isGrave = outcome === "applied" || outcome === "subject_unknown";
      report(logger, isGrave ? "security_event_applied" : "security_event_received", masked({ ...fields }));
    },
  });
  const { pollers, verifying, running, closers } = runners(config, receiver, deps);
  let ended: Promise<unknown> = Promise.resolve();
  return {
    receiver: { bytes_max: config.bytes_max, take: (token, arrival) => receiver.take(token, arrival) },
    get received() {
      return receiver.status.map((status): ReceivedStream => ({
        ...status,
        delivery: pollers.has(status.name) ? "poll" : "push",
        poll_failing: pollers.get(status.name)?.failing ?? false,
        unverified: verifying.get(status.name)?.isOverdue(status.verified_at) ?? false,
        revocations: commands.registry.revocationsOf(status.name),
      }));
    },
    get unproven() {
      return receiver.unproven;
    },
    get queue() {
      return receiver.queue;
    },
    start() {
      ended = Promise.all(running.map((one) => one.run()));
    },
    async stop() {
      for (const one of running) one.stop();
      for (const close of closers) close();
      await ended;
    },
    async close() {
      facts.close();
      await journal.close();
    },
  };
}

/** Makes the poller and the verifier of each transmitter that is configured to have one. */
function runners({ transmitters }: ReceiverConfig, receiver: Receiver, { config, system, logger }: SecurityEventsDeps) {
  const pollers = new Map<string, Poller>();
  const verifying = new Map<string, Verifying>();
  const running: Running[] = [];
  const closers: (() => void)[] = [];
  for (const { name, poll, verify } of transmitters) {
    if (poll !== undefined) {
      const { url, timeout_ms, bytes_max, ...options } = poll;
      const { exchange, close } = exchanger(new URL(url), { timeout_ms, bytes_max }, system.timers);
      const json = { ...config.limits, members_max: Math.max(config.limits.members_max, options.events_max) };
      const poller = new Poller(
        { ...options, json },
        {
          take: (token) => receiver.take(token, { polled: name }),
          exchange,
          system,
          events: {
            failing: (detail) => {
              report(logger, "poll_failing", { code: "poll_failing", transmitter: name, detail });
            },
            polling: () => {
              report(logger, "poll_back", { transmitter: name });
            },
            refused: (jti, code, description) => {
              report(logger, "security_event_refused", { code, transmitter: name, jti, description });
            },
          },
        },
      );
      pollers.set(name, poller);
      running.push(poller);
      closers.push(close);
    }
    if (verify !== undefined) {
      const { url, timeout_ms, ...options } = verify;
      const { exchange, close } = exchanger(new URL(url), { timeout_ms, bytes_max: ANSWER_BYTES_MAX }, system.timers);
      const one = new Verifying(options, {
        exchange,
        system,
        awaitState: (state) => {
          receiver.awaitState(name, state);
        },
        failed: (detail) => {
          report(logger, "verification_failing", {
            code: "verify_failing",
            transmitter: name,
            detail,
          });
        },
      });
      verifying.set(name, one);
      running.push(one);
      closers.push(close);
    }
  }
  return { pollers, verifying, running, closers };
}

/** Most bytes of an answer that nobody reads. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** @throws KeyRefused, or the file system's error, saying what is wrong */
function transmitterOf(one: TransmitterConfig, audience: string, { config, system, logger }: Reading): Transmitter {
  const production = process.env["NODE_ENV"] === "production";
  const keys = issuersKeys(one, "sig", SSF, { json: config.limits, production }, system, {
    loaded: (url, kids) => {
      if (logger !== null) report(logger, "transmitter_keys_loaded", { url, kids });
    },
    failed: (url, detail) => {
      if (logger !== null) report(logger, "transmitter_keys_unavailable", { url, detail, code: "keys_unavailable" });
    },
  });
  for (const { kid, development } of keys.fixed)
    if (production && development) throw new KeyRefused(`key \`${kid}\`: made for development, refused in production`);
  const { authorization_file: file } = one;
  return {
    name: one.name,
    issuer: one.issuer,
    audience: one.audience ?? audience,
    keys,
    mapping: { rules: one.subjects, only: one.only ?? {}, critical: one.critical_members ?? [] },
    authorization: file === undefined ? null : () => readSecret(file),
  };
}
