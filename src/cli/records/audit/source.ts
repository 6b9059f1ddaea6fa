/** Source of records for searches: a running service, or a log's folder. */
import { statSync } from "node:fs";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { Problem, parseTime, type FollowedNodes, type FoundRecord, type RecordPage } from "../../../contract/index.js";
import { sleep, systemClock } from "../../../system/index.js";
import { Client, asking, type QueryMembers, type ServiceFlags } from "../../client.js";
import { CliError } from "../../exit.js";
import { sayMissing } from "../../facts/show.js";
import { followed } from "../../stream.js";
import type { Ui } from "../../ui.js";

export interface RecordSourceOptions extends ServiceFlags {
  log?: string;
}

export interface SearchedSource {
  /** Returns the answer of the service, or of the folder as if it were one. @throws CliError, Problem */
  ask<T>(path: string, query?: QueryMembers): Promise<T>;
  /** Records as they come. */
  follow(query: QueryMembers, after: number | undefined): AsyncGenerator<FoundRecord>;
  close(): void;
}

/** Time after its validity from which an action without outcome counts as missing one, where no configuration says it. */
const OVERDUE_MS = 60_000;
const POLL_MS = 250;
const ENDS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const PAGE_MAX = 1000;

/** Adds what every command needs that searches records. */
export function searching(command: Command, examples: string): Command {
  return asking(command.option("--log <folder>", "search this folder (`log.dir`) or a copy of it, instead of asking a service"), examples);
}

/** Opens the source, passes it on, and closes it. */
export async function withSource<T>(options: RecordSourceOptions, ui: Ui, act: (source: SearchedSource) => Promise<T>): Promise<T> {
  const source = options.log === undefined ? serviceSource(options, ui) : await folderSource(options.log, ui);
  const close = closedWith(source);
  try {
    return await act(source);
  } finally {
    close();
  }
}

/** Closes the source when the process ends too, as a follower ends it: an index that was made for this has names from the records. */
function closedWith(source: SearchedSource): () => void {
  const ended = (signal: NodeJS.Signals): void => {
    close();
    process.kill(process.pid, signal);
  };
  const close = (): void => {
    for (const signal of ENDS) process.off(signal, ended);
    source.close();
  };
  for (const signal of ENDS) process.on(signal, ended);
  return close;
}

export interface FoundRecords {
  items: FoundRecord[];
  more: boolean;
  /** Nodes of a cluster that haven't answered. */
  missing: string[];
}

/** At most `max`, over as many pages as they take. */
export async function found(source: SearchedSource, query: QueryMembers, max: number): Promise<FoundRecords> {
  const items: FoundRecord[] = [];
  const missing = new Set<string>();
  let cursor: string | undefined;
  do {
    const limit = Math.min(PAGE_MAX, max - items.length);
    const page: RecordPage = await source.ask<RecordPage>("/decisions", { ...query, limit, cursor });
    items.push(...page.items);
    for (const node of page.nodes?.missing ?? []) missing.add(node);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && items.length < max);
  return { items, more: cursor !== undefined, missing: [...missing] };
}

function serviceSource(options: ServiceFlags, ui: Ui): SearchedSource {
  const client = new Client(options);
  return {
    ask: (path, query = {}) => client.ask("GET", path, { query }),
    async *follow(query, after) {
      for await (const { event, data } of followed(options, "/decisions/stream", query, after, ui)) {
        if (event === "record") yield data as FoundRecord;
        else if (event === "reset")
          ui.err(`${ui.paint("yellow", "warning:")} the log ends before the record to go on after; it goes on from its end`);
        else if (event === "nodes") sayMissing(ui, (data as FollowedNodes).missing);
        else if (event === "end") ui.err(`${ui.paint("dim", "ended:")} ${(data as { title: string }).title}`);
      }
    },
    close: () => undefined,
  };
}

async function folderSource(folder: string, ui: Ui): Promise<SearchedSource> {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CliError("invalid", `\`${folder}\` is not a folder`, "it is the one that `log.dir` names in remit.yaml");
  const [{ openOutside, takeAll }, { asked }, { filterOf, pageAsk, recordQuery, summaryAsk }, { readQuery }] = await Promise.all([
    import("../../../records/table_opening.js"),
    import("../../../records/ask.js"),
    import("../../../http/record_query.js"),
    import("../../../http/query.js"),
  ]);
  const progress = sayProgress(ui);
  const { table, close } = await openOutside(folder, progress);
  if (table.indexedTo === 0) {
    close();
    throw new CliError("invalid", `there are no records in \`${folder}\``, "it is the folder that `log.dir` names in remit.yaml");
  }
  const lacking = table.lacking();
  if (lacking !== null) sayLacking(ui, lacking);
  const now = (): { now_ms: number; overdue_ms: number } => ({ now_ms: systemClock.wall(), overdue_ms: OVERDUE_MS });
  return {
    async ask<T>(path: string, query: QueryMembers = {}) {
      const url = `${path}?${textOf(query)}`;
      const id = decodeURIComponent(path.replace(/^\/decisions\/?/, ""));
      const ask = path === "/decisions" ? pageAsk({ url }) : id === "summary" ? summaryAsk({ url }) : ({ kind: "one", id } as const);
      const text = await asked(table, now(), (query) => query.answer(ask));
      if (text === null) throw new Problem("record_not_found");
      return JSON.parse(text) as T;
    },
    async *follow(query, after = table.indexedTo) {
      const filter = filterOf(readQuery({ url: `/decisions/stream?${textOf(query)}` }, recordQuery));
      for (let next = after; ;) {
        const ask = { filter, order: "oldest", after: next, limit: PAGE_MAX } as const;
        const { items, to, more } = await asked(table, now(), (query) => query.some(ask));
        for (const item of items) yield JSON.parse(item) as FoundRecord;
        next = to;
        if (more) continue;
        await sleep(POLL_MS);
        await takeAll(table, progress);
      }
    },
    close,
  };
}

function textOf(query: QueryMembers): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) text.set(name, String(value));
  return text.toString();
}

/** That what is told isn't all that there was. */
export function sayLacking(ui: Ui, { records, first }: { records: number; first: number }): void {
  const which =
    records === 1
      ? `record ${first} is missing or can't be read`
      : `${records} records are missing or can't be read, the first is ${first}`;
  ui.err(`${ui.paint("yellow", "warning:")} ${which}; \`remit audit verify\` says what is wrong`);
}

/** Reports progress of work that takes long. */
export function sayProgress(ui: Ui): (seq: number, share: number) => void {
  const began = systemClock.monotonic();
  return (seq, share) => {
    if (systemClock.monotonic() - began < 1000) return;
    ui.err(`${ui.paint("dim", "indexing")}  record ${seq}, ${Math.floor(share * 100)} %`);
  };
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const AGO_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const TIME_EXPECTED = "an RFC 3339 date-time, a date, or how long ago: 90s, 30m, 8h, 2d";

/** An RFC 3339 date-time, a date for its first moment in UTC, or how long ago: `90s`, `30m`, `8h`, `2d`; null for anything else. */
export function timeIn(text: string): string | null {
  const [, count, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return new Date(systemClock.wall() - Number(count) * (AGO_MS[unit] ?? 0)).toISOString();
  const time = DATE.test(text) ? `${text}T00:00:00Z` : text;
  return parseTime(time) === null ? null : time;
}

export function timeOrAgo(text: string): string {
  const time = timeIn(text);
  if (time === null) throw new InvalidArgumentError(`must be ${TIME_EXPECTED}`);
  return time;
}
