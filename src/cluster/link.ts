/** Messages between nodes beside the feed. Any may be lost, late or repeated: none of them is needed for what is promised, but for speed. */
import type { Json } from "../store/store.js";
import { isRevision, isText } from "./tick.js";

/** Something that narrows, which holds on a node and isn't durable yet. */
export interface Hold {
  key: string;
  /** Revision of the key's last durable change as the sender knows it: a node that knows a later one has no use for the hold. */
  base: number;
  value: Json;
  change: string;
  by: string;
  time: string;
  reason: string | null;
}

export type LinkMessage =
  { kind: "ask"; revision: number } | { kind: "landed"; revision: number; node: string; incarnation: string } | ({ kind: "hold" } & Hold);

export interface Link {
  /** Sends to all nodes. This one may receive it too. */
  send(message: LinkMessage): void;
  /** Calls with each message that comes. @returns ends it */
  receive(take: (text: string) => void): () => void;
}

/** Returns null for what is no message of this version. */
export function readMessage(text: string): LinkMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { kind, revision, node, incarnation, ...rest } = value as Record<string, unknown>;
  switch (kind) {
    case "ask":
      return isRevision(revision) ? { kind, revision } : null;
    case "landed":
      return isRevision(revision) && isText(node) && isText(incarnation) ? { kind, revision, node, incarnation } : null;
    case "hold":
      return readHold(rest);
    default:
      return null;
  }
}

function readHold({ key, base, value, change, by, time, reason }: Record<string, unknown>): LinkMessage | null {
  if (![key, change, by, time].every((text) => typeof text === "string" && text !== "") || !isRevision(base)) return null;
  if (typeof value !== "object" || value === null || (reason !== null && typeof reason !== "string")) return null;
  return {
    kind: "hold",
    key: key as string,
    base,
    value: value as Json,
    change: change as string,
    by: by as string,
    time: time as string,
    reason,
  };
}
