/** Bundles as routes ask for them: what runs, what is staged, what was refused, and publishing. */
import { BUNDLE_CODES, BundleError, type BundleCode } from "../bundle/verify.js";
import { Problem, type BundlesAnswer, type PublishAnswer } from "../contract/index.js";
import { expired } from "../decision/intake.js";
import type { Attribution } from "../facts/ledger.js";
import type { BundlesPort } from "../http/deps.js";
import type { PolicyEngine } from "../policy/engine.js";
import type { KeptArchives } from "../policy/kept_archives.js";
import type { BundleSource, SourceStatus } from "../policy/source.js";
import type { WayBack } from "../policy/way_back.js";
import type { Staging } from "../policy/staging.js";
import type { System } from "../system/index.js";
import type { PulledSource } from "./bundle_source.js";
import type { FeedBundles } from "./feed_bundles.js";
import { stagedAnswer } from "./staging.js";

export interface BundleParts {
  source: BundleSource;
  kept: KeptArchives;
  wayBack: WayBack;
  pulled: PulledSource | null;
  engine: PolicyEngine;
  staging: Staging;
  clock: System["clock"];
  /** Activation by the feed of a cluster; null: a publication is activated here alone. */
  activation: FeedBundles | null;
}

export function bundlesOf({ source, kept, wayBack, pulled, engine, staging, clock, activation }: BundleParts): BundlesPort {
  const orRefused = async <T>(publishing: () => Promise<T>): Promise<T> => {
    try {
      return await publishing();
    } catch (cause) {
      if (!(cause instanceof BundleError)) throw cause;
      throw new Problem("bundle_refused", { reason: cause.code, expected: reasonText(cause.code, cause.message) }, { cause });
    }
  };
  const publish = async (bytes: Uint8Array, act: Attribution): Promise<PublishAnswer> => {
    const published = activation === null ? { running: await source.publish(bytes) } : await activation.publish(bytes, act);
    return { ...published, staged: null, back: null };
  };
  return {
    get status() {
      const { status } = staging;
      const { status: back } = wayBack;
      return {
        ...answerOf(source.status),
        staged: status && stagedAnswer(status),
        back: back && {
          identity: back.identity,
          of: back.of,
          expires: back.expires_ms === null ? null : new Date(back.expires_ms).toISOString(),
        },
        source: pulled && { kind: pulled.kind, url: pulled.url, ...pulled.status },
      };
    },
    running() {
      const { archive } = source;
      if (archive === null || engine.active === null) throw new Problem("bundle_missing");
      // A stock OPA doesn't look at the expiry: it must not be handed on.
      if (expired(engine.active, clock.wall())) throw new Problem("bundle_expired");
      return archive;
    },
    async find(digest) {
      const active = source.archive;
      if (active?.identity.digest === digest) return active.bytes;
      return wayBack.status?.identity.digest === digest ? wayBack.archive(digest) : await kept.find(digest);
    },
    publish: (bytes, act) => orRefused(() => publish(bytes, act)),
    stage: (bytes, share, act) =>
      orRefused(async () => {
        if (activation !== null) return { ...(await activation.stage(bytes, share, act)), back: null };
        const { candidate, active } = await source.stage(bytes);
        staging.begin(candidate, active, share);
        return { running: active.identity, staged: candidate.identity, back: null };
      }),
    keepBack: (bytes) =>
      orRefused(async () => {
        // Tried as a candidate is: what can't decide is no way back.
        const { active } = await source.stage(bytes);
        return { running: active.identity, staged: null, back: await wayBack.keep(bytes) };
      }),
    goBack: (digest, act) => orRefused(() => publish(wayBack.archive(digest), act)),
    get staged() {
      const { status } = staging;
      const named = activation?.staged ?? null;
      if (named === null || status?.identity.digest === named.digest) return status && stagedAnswer(status);
      // The other nodes try it, and this one can't.
      const { digest, sequence, revision, share, since } = named;
      const nothing = { compared: 0, flips: 0, other_reasons: 0, errors: 0, skipped: 0, differences: [] };
      return { identity: { bundle: source.status.name, revision, sequence, digest }, share, since, ...nothing };
    },
    async dropStaged(digest, act) {
      if (activation?.staged?.digest === digest) await activation.dropStaged(digest, act);
      else if (staging.status?.identity.digest === digest) staging.end("dropped");
    },
  };
}

/** Without the host's paths, which are the operator's to know and stand in the log. */
function answerOf({ name, wanted, running, refused }: SourceStatus): Omit<BundlesAnswer, "staged" | "back" | "source"> {
  return {
    name,
    wanted: wanted && {
      bytes: wanted.bytes,
      modified: new Date(wanted.modified_ms).toISOString(),
      identity: wanted.identity,
    },
    running,
    refused: refused && {
      code: refused.code,
      message: reasonText(refused.code, refused.message),
      at: new Date(refused.at_ms).toISOString(),
    },
  };
}

const ABOUT_THE_HOST: ReadonlySet<string> = new Set<BundleCode>([
  "file_unreadable",
  "file_unwritable",
  "trust_unreadable",
  "trust_unwritable",
]);

function reasonText(code: string, message: string): string {
  if (code === "internal") return "an unexpected failure; the log has the detail";
  return ABOUT_THE_HOST.has(code) ? BUNDLE_CODES[code as BundleCode] : message;
}
