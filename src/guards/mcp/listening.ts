/**
 * Streams of changes that clients of the revision without sessions open: of what the client asked for, what the server agreed to, and what may be
 * read, as often as it changes. Everything else that comes on one goes nowhere.
 */
import type { Timers } from "../../system/index.js";
import { isObject } from "../../mapping/call_mapping.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import { ofSubscription } from "./stateless.js";
import { Subscriptions } from "./subscriptions.js";
import type { Upstream } from "./upstream.js";
import type { Notification, Params, Reply, Request } from "./wire.js";

/** Lists that a client can hear the changes of: member of the filter, and the change. */
const LISTS: Readonly<Record<string, string>> = {
  toolsListChanged: "notifications/tools/list_changed",
  promptsListChanged: "notifications/prompts/list_changed",
  resourcesListChanged: "notifications/resources/list_changed",
};
const RESOURCES = "resourceSubscriptions";
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";
const UPDATED = "notifications/resources/updated";
const RESOURCES_MAX = 1000;

export interface ListeningDeps {
  upstream: Upstream;
  /** Decides reading a resource. @throws CallRefusal */
  mayRead: (uri: string) => Promise<void>;
  tell: (notification: Notification) => void;
  toolsChanged: () => void;
  /** A resource may no longer be read. */
  ended: (refusal: CallRefusal) => void;
  timers: Timers;
}

interface Filter {
  lists: ReadonlySet<string>;
  uris: ReadonlySet<string>;
}

/** Serves one stream, until either side ends it. @throws CallRefusal, ServerGone, the signal's reason */
export async function listen({ id, params }: Request, signal: AbortSignal, deps: ListeningDeps): Promise<Reply> {
  const { upstream, mayRead, tell, toolsChanged, ended, timers } = deps;
  const wanted = filterOf(params?.["notifications"]);
  if (wanted === null) throw new CallRefusal("arguments_invalid");
  const uris = new Set<string>();
  for (const uri of wanted.uris) if (await isPermitted(() => mayRead(uri))) uris.add(uri);
  const asked: Filter = { lists: wanted.lists, uris };
  let agreed: Filter | null = null;
  const say = (method: string, members: Params = {}): void => {
    tell({ jsonrpc: "2.0", method, params: ofSubscription(id, members) });
  };
  const subscriptions = new Subscriptions({
    decide: mayRead,
    pass: (change) => {
      tell(change);
    },
    ended: (_uri, refusal) => {
      ended(refusal);
    },
    timers,
  });
  const notified = ({ method, params: said }: Notification): void => {
    if (agreed === null) {
      if (method !== ACKNOWLEDGED) return;
      const offered = filterOf(said?.["notifications"]) ?? { lists: new Set(), uris: new Set() };
      agreed = bothOf(asked, offered);
      for (const uri of agreed.uris) subscriptions.add(uri);
      say(ACKNOWLEDGED, { notifications: written(agreed) });
      return;
    }
    if (method === LISTS["toolsListChanged"]) toolsChanged();
    if (method === UPDATED && typeof said?.["uri"] === "string") {
      const { uri } = said;
      subscriptions.changed(uri, { jsonrpc: "2.0", method, params: ofSubscription(id, { uri }) });
    } else if ([...agreed.lists].some((list) => LISTS[list] === method)) say(method);
  };
  try {
    const reply = await upstream.ask("subscriptions/listen", { ...params, notifications: written(asked) }, { signal, notified });
    return "error" in reply ? reply : { result: ofSubscription(id) };
  } finally {
    subscriptions.clear();
  }
}

/** @returns null for what is no filter, or has a member that isn't known */
function filterOf(value: unknown): Filter | null {
  if (!isObject(value)) return null;
  const { [RESOURCES]: uris = [], ...lists } = value;
  if (!Array.isArray(uris) || uris.length > RESOURCES_MAX || !uris.every((uri) => typeof uri === "string")) return null;
  if (!Object.entries(lists).every(([name, wanted]) => Object.hasOwn(LISTS, name) && typeof wanted === "boolean")) return null;
  return { lists: new Set(Object.keys(lists).filter((name) => lists[name] === true)), uris: new Set(uris) };
}

function bothOf(a: Filter, b: Filter): Filter {
  return { lists: common(a.lists, b.lists), uris: common(a.uris, b.uris) };
}

function common(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...a].filter((one) => b.has(one)));
}

function written({ lists, uris }: Filter): Params {
  return { ...Object.fromEntries([...lists].map((name) => [name, true])), ...(uris.size > 0 && { [RESOURCES]: [...uris] }) };
}

async function isPermitted(decide: () => Promise<void>): Promise<boolean> {
  try {
    await decide();
    return true;
  } catch (cause) {
    if (cause instanceof CallRefusal) return false;
    throw cause;
  }
}
