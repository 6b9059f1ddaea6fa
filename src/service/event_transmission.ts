/** Tells others of revocations, suspensions and narrowings: the streams that they have, fed by the changes of facts in the store. */
import { join } from "node:path";
import { exchanger } from "../system/exchange.js";
import { setSigner, type SetSigner } from "../adapters/events/signer.js";
import { StreamStore } from "../adapters/events/stream_store.js";
import { Streams } from "../adapters/events/streams.js";
import type { TellableChange } from "../adapters/events/told_events.js";
import { ITSELF } from "../behavior/adjustments.js";
import { DELIVERY_METHODS, type ToldStream, type TransmitterMetadata } from "../contract/security_events.js";
import type { Commands } from "../facts/commands.js";
import { HandedOn, Reach, type ReachedTask } from "../facts/reach.js";
import type { JwtIdentity } from "../identity/jwt.js";
import { KeyRefused, pemKeyPair } from "../identity/keys.js";
import type { Json } from "../store/store.js";
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { readText } from "../system/read_file.js";
import { uuid7 } from "../system/uuid.js";
import type { TransmitterRoom } from "../http/rooms.js";

type TransmitterConfig = NonNullable<NonNullable<Config["security_events"]>["transmitter"]>;

export interface EventTransmissionDeps {
  config: Config;
  commands: Commands;
  identity: Pick<JwtIdentity, "rightsOf">;
  system: System;
  logger: Logger;
}

export interface EventTransmission extends TransmitterRoom {
  readonly state: readonly ToldStream[];
  /** Begins to tell. */
  start(): void;
  close(): Promise<void>;
}

/** Most bytes of an answer to a pushed event. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** @throws KeyRefused, StreamsDamaged, or the file system's error, saying what is wrong */
export async function wireEventTransmission(
  config: TransmitterConfig,
  folder: string,
  deps: EventTransmissionDeps,
): Promise<EventTransmission> {
  const { commands, identity, system, logger } = deps;
  const signer = signerOf(config, deps.config);
  const { registry, ledger } = commands;
  const handedOn = new HandedOn(registry);
  const { origin } = new URL(config.issuer);
  const issuers = deps.config.identity.issuers.filter(({ audience }) => audience.agents !== undefined);
  const [issuer] = issuers;
  const streams = await Streams.open(config, {
    feed: {
      get revision() {
        return registry.revision;
      },
      read: async (after, limit) => (await commands.events(after, limit)).items,
    },
    telling: {
      issuer: config.issuer,
      token_issuer: issuers.length === 1 && issuer !== undefined ? issuer.issuer : null,
      itself: ITSELF,
      task: (id) => registry.task(id),
    },
    mayHear: (caller, { key, value }: TellableChange) =>
      Reach.of({ key, value: value as Json }, registry, handedOn)?.concerns(identity.rightsOf({ id: caller })) === true,
    signer,
    store: new StreamStore(join(folder, "streams")),
    pollUrl: (id) => `${origin}/ssf/poll/${id}`,
    exchangerTo: (url) => exchanger(new URL(url), { timeout_ms: config.timeout_ms, bytes_max: ANSWER_BYTES_MAX }, system.timers),
    system,
    newId: uuid7(system.clock, system.random),
    events: {
      failing: (stream, detail) => {
        report(logger, "push_failing", {
          code: "stream_failing",
          stream,
          detail,
        });
      },
      delivering: (stream) => {
        report(logger, "push_back", { stream });
      },
      setAside: (stream, jti, detail) => {
        report(logger, "push_refused", { code: "event_set_aside", stream, jti, detail });
      },
      placeUnknown: (stream, detail) => {
        report(logger, "push_place_unsaved", { code: "stream_place_unknown", stream, detail });
      },
    },
  });
  const unlisten = ledger.listen(({ key, value, revision }) => {
    if (key.startsWith("task/")) handedOn.add(value as unknown as ReachedTask & { parent: string | null });
    // What isn't durable yet is told once it is.
    if (revision !== null) streams.news();
  });
  return {
    streams,
    metadata: metadataOf(config.issuer, origin),
    jwks: signer.jwks,
    get state() {
      return streams.state;
    },
    start() {
      streams.start();
    },
    async close() {
      unlisten();
      await streams.close();
    },
  };
}

/** One key, one use: who verifies another kind of token by it would take these for one. */
export function signerOf({ key, kid }: TransmitterConfig, { identity }: Config): SetSigner {
  const production = process.env["NODE_ENV"] === "production";
  const signer = setSigner(kid, readText(key), production);
  const { task_tokens: tasks } = identity;
  if (tasks !== undefined && pemKeyPair(tasks.kid, readText(tasks.key)).verify.key.equals(signer.publicKey))
    throw new KeyRefused(`key \`${kid}\`: it signs task tokens, and must do nothing else`);
  return signer;
}

function metadataOf(issuer: string, origin: string): TransmitterMetadata {
  return {
    spec_version: "1_0",
    issuer,
    jwks_uri: `${origin}/ssf/jwks.json`,
    delivery_methods_supported: [...DELIVERY_METHODS],
    configuration_endpoint: `${origin}/ssf/streams`,
    status_endpoint: `${origin}/ssf/status`,
    add_subject_endpoint: `${origin}/ssf/subjects/add`,
    remove_subject_endpoint: `${origin}/ssf/subjects/remove`,
    verification_endpoint: `${origin}/ssf/verify`,
    authorization_schemes: [{ spec_urn: "urn:ietf:rfc:6749" }],
    default_subjects: "ALL",
  };
}
