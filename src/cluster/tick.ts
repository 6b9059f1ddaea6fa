/** Tick of a node: its own account of itself. */
import type { Json } from "../store/store.js";
import type { NodeStart } from "./lease.js";
import type { NodeStage } from "./stage_feed.js";

export interface Tick extends NodeStart {
  /** True in the last tick of a node that stops. */
  leaving: boolean;
  /** Facts revision up to which it has read the feed, with the digest of the feed up to there. */
  applied: number;
  chain: string;
  version: string;
  /** Digest of the bundle by which it decides. */
  bundle: string | null;
  /** When that began, RFC 3339. Null: no bundle decides, or a version that doesn't say it. */
  bundle_since: string | null;
  /** Bundle that it tries beside that one. Null: none, or a version that doesn't say it. */
  staged: NodeStage | null;
}

const CHAIN = /^[0-9a-f]{64}$/;
const TEXT_MAX = 256;
/** Percentage of the agents; with all of them it would be the active bundle. */
const SHARE_MAX = 99;

/** Returns null for a mark that is no tick. */
export function readTick(value: Json): Tick | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const {
    incarnation,
    opened_at = 0,
    leaving,
    applied,
    chain,
    version,
    bundle,
    bundle_since = null,
    staged: stage = null,
  } = value as Readonly<Record<string, unknown>>;
  if (!isText(incarnation) || !isRevision(opened_at) || typeof leaving !== "boolean" || !isRevision(applied)) return null;
  if (typeof chain !== "string" || !CHAIN.test(chain) || !isText(version) || (bundle !== null && !isText(bundle))) return null;
  if (bundle_since !== null && (!isText(bundle_since) || Number.isNaN(Date.parse(bundle_since)))) return null;
  const staged = readStage(stage);
  if (staged === undefined) return null;
  return { incarnation, opened_at, leaving, applied, chain, version, bundle, bundle_since, staged };
}

/** Returns undefined for what is no stage. */
function readStage(value: unknown): NodeStage | null | undefined {
  if (typeof value !== "object" || value === null) return value === null ? null : undefined;
  const { digest, share } = value as Readonly<Record<string, unknown>>;
  return isText(digest) && isRevision(share) && share <= SHARE_MAX ? { digest, share } : undefined;
}

/** Statement that a start of a node is over and its node won't come back, made by somebody of whom another node has heard it. */
export interface Dismissal {
  dismissed: string;
}

/** Returns null for a mark that is no dismissal. */
export function readDismissal(value: Json): Dismissal | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { dismissed } = value as Readonly<Record<string, unknown>>;
  return isText(dismissed) ? { dismissed } : null;
}

export const isText = (value: unknown): value is string => typeof value === "string" && value !== "" && value.length <= TEXT_MAX;

export const isRevision = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
