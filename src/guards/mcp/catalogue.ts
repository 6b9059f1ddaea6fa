/**
 * The tools that a server has now, held against those that were approved. It is read whole, page by page, whenever the client
 * asks what there is, and again before a call where the server has said that it changed: so what a model was shown and what
 * it calls are the same.
 */
import { areSimilar } from "../../contract/similar.js";
import type { Timers } from "../../system/index.js";
import { isObject, type Mapped } from "../../mapping/call_mapping.js";
import { differences, pinnedOf, type ToolDefinition, type Pins } from "./pins.js";
import { CallRefusal, type CallRefusalCode } from "../../mapping/call_refusal.js";
import { without } from "../../system/without.js";
import type { Params, Reply, RpcError } from "./wire.js";

export interface Tool {
  /** Tool as the server lists it, for the client. */
  listed: Params;
  mapped: Mapped;
}

/** Why a tool that the server has is neither shown nor called. */
export type Hidden = "unnamed" | "twice" | "unmapped" | "unapproved" | "look_alike" | "changed" | "never_permitted";

export interface CatalogueDeps {
  mapped: ReadonlyMap<string, Mapped>;
  pins: Pins;
  /** False where no task and no grant would ever be permitted this. */
  possible: (mapped: Mapped) => boolean;
  tools_max: number;
  list: (cursor: string | undefined) => Promise<Reply>;
  /** Milliseconds for which a list holds; null: until the server says that it changed. */
  fresh: (first: Params) => number | null;
  timers: Pick<Timers, "after">;
  /** Called once for each tool that is hidden, as long as it stays so. */
  hidden: (why: Hidden, name: string, detail: Record<string, unknown>) => void;
}

/** Refusal codes for calls of a hidden tool: one for all but a tool that changed. */
const CODES: Readonly<Partial<Record<Hidden, CallRefusalCode>>> = { changed: "tool_changed" };
const PAGES_MAX = 100;

interface ListedTools {
  /** The first page's result. */
  first: Params;
  tools: ReadonlyMap<string, Tool>;
}

/** The server answered the list with an error, which is the client's to see. */
export class ListFailed extends Error {
  override readonly name = "ListFailed";

  constructor(readonly reply: RpcError) {
    super(reply.message);
  }
}

/** Milliseconds for which a server may say that its tools stay as they are. 60,000. */
const FRESH_MS_MAX = 60_000;
/** Reads of a list that was said to have changed while it was read. */
const READS_MAX = 3;

export class ToolCatalogue {
  readonly #deps: CatalogueDeps;
  #held: ListedTools | null = null;
  #hidden: ReadonlyMap<string, Hidden> = new Map();
  #reading: Promise<ListedTools | null> | null = null;
  /** Number of times that the server said that its tools are others now. */
  #changes = 0;

  constructor(deps: CatalogueDeps) {
    this.#deps = deps;
  }

  changed(): void {
    this.#changes++;
    this.#held = null;
    this.#reading = null;
  }

  /** @throws CallRefusal `tool_unavailable`, `tool_changed`, `server_unavailable`; ListFailed, ServerGone */
  async tool(name: string): Promise<Tool> {
    const { tools } = this.#held ?? (await this.#read());
    const tool = tools.get(name);
    if (tool !== undefined) return tool;
    const why = this.#hidden.get(name);
    throw new CallRefusal((why === undefined ? undefined : CODES[why]) ?? "tool_unavailable");
  }

  /** The result of `tools/list`, on one page, as it is now. @throws as `tool` */
  async list(): Promise<Params> {
    const { first, tools } = await this.#read();
    return { ...without(first, "nextCursor"), tools: [...tools.values()].map(({ listed }) => listed) };
  }

  /** Whoever asks while it is read waits for the same. */
  async #read(): Promise<ListedTools> {
    for (let i = 0; i < READS_MAX; i++) {
      const reading = (this.#reading ??= this.#readOnce());
      const held = await reading.finally(() => {
        if (this.#reading === reading) this.#reading = null;
      });
      if (held !== null) return held;
    }
    throw new CallRefusal("server_unavailable", { cause: "its tools change while they are read" });
  }

  /** Null where they changed meanwhile. */
  async #readOnce(): Promise<ListedTools | null> {
    const changes = this.#changes;
    const { first, listed } = await this.#pages();
    if (changes !== this.#changes) return null;
    const read = { first, tools: this.#sorted(listed) };
    const fresh_ms = this.#deps.fresh(first);
    if (fresh_ms === 0) return read;
    this.#held = read;
    if (fresh_ms !== null) {
      this.#deps.timers.after(Math.min(fresh_ms, FRESH_MS_MAX), () => {
        if (this.#held === read) this.#held = null;
      });
    }
    return read;
  }

  async #pages(): Promise<{ first: Params; listed: unknown[] }> {
    const listed: unknown[] = [];
    let first: Params | null = null;
    let cursor: string | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const reply = await this.#deps.list(cursor);
      if ("error" in reply) throw new ListFailed(reply.error);
      const { tools, nextCursor } = reply.result;
      if (!Array.isArray(tools)) throw new CallRefusal("server_unavailable", { cause: "not a list" });
      first ??= reply.result;
      listed.push(...(tools as unknown[]));
      if (listed.length > this.#deps.tools_max) break;
      if (typeof nextCursor !== "string") return { first, listed };
      cursor = nextCursor;
    }
    throw new CallRefusal("server_unavailable", { cause: "more tools than the limit" });
  }

  /** Returns the tools that are shown, and puts the others among the hidden. */
  #sorted(listed: readonly unknown[]): Map<string, Tool> {
    const tools = new Map<string, Tool>();
    const hidden = new Map<string, Hidden>();
    const definitions = listed.map(pinnedOf);
    const counts = new Map<string, number>();
    for (const definition of definitions) {
      if (definition !== null) counts.set(definition.name, (counts.get(definition.name) ?? 0) + 1);
    }
    for (const [i, definition] of definitions.entries()) {
      const name = definition?.name ?? nameOf(listed[i]);
      const twice = (counts.get(name) ?? 0) > 1;
      const [why, detail] = definition === null ? ["unnamed" as const] : twice ? ["twice" as const] : this.#why(definition);
      const mapped = this.#deps.mapped.get(name);
      if (why === null && mapped !== undefined) tools.set(name, { listed: listed[i] as Params, mapped });
      if (why === null || hidden.has(name)) continue;
      hidden.set(name, why);
      if (this.#hidden.get(name) !== why) this.#deps.hidden(why, name, detail ?? {});
    }
    this.#hidden = hidden;
    return tools;
  }

  #why(definition: ToolDefinition): [why: Hidden | null, detail?: Record<string, unknown>] {
    const { mapped, pins, possible } = this.#deps;
    const { name } = definition;
    const pinned = pins.tools.get(name);
    if (pinned === undefined) {
      const like = [...pins.tools.keys(), ...mapped.keys()].find((known) => known !== name && areSimilar(known, name));
      return like === undefined ? [mapped.has(name) ? "unapproved" : "unmapped"] : ["look_alike", { like }];
    }
    const changed = differences(pinned, definition);
    if (changed.length > 0) return ["changed", { changed }];
    const means = mapped.get(name);
    if (means === undefined) return ["unmapped"];
    return [possible(means) ? null : "never_permitted"];
  }
}

/** For the log: whatever it is, it is shown as text. */
function nameOf(tool: unknown): string {
  return isObject(tool) && typeof tool["name"] === "string" ? tool["name"].slice(0, 128) : "";
}
