/**
 * Tells somebody's server of findings as they are opened and change: one message at a time, at least once each, for ever. What it
 * wasn't told yet is no queue but the findings themselves, so a server that is away for long hears of each once, as it then is.
 * Nothing that decides waits for it.
 */
import { open, readFile, rename, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { retryAfterMs, type Post, type Posted } from "../audit/export/post.js";
import type { Finding } from "../contract/index.js";
import type { System } from "../system/index.js";
import { readText } from "../system/read_file.js";
import type { Findings, News, Place } from "./findings.js";
import { readSecrets, signedHeaders } from "./signature.js";

export interface WebhookOptions {
  /** Holds its secrets; read before each message. */
  secret_file: string;
  /** The first wait after a failure, and the longest. */
  retry_ms: number;
  retry_max_ms: number;
}

export interface WebhookEvents {
  /** Once per change of how it fails. */
  failing(detail: string): void;
  delivering(): void;
  /** It can't do anything with this message, now or later. */
  setAside(finding: string, detail: string): void;
  /** Every finding is told again. */
  cursorDamaged(detail: string): void;
  cursorUnwritable(detail: string): void;
}

/** What a later attempt would not change. */
const NEVER: ReadonlySet<number> = new Set([400, 413, 415, 422]);
const BEGINNING: Place = { seq: 0, revision: 0 };
/** How long news gathers, so that a burst of one finding is one message. */
const GATHER_MS = 250;

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #findings: Pick<Findings, "news" | "now" | "listen">;
  readonly #file: string;
  readonly #system: System;
  readonly #post: Post;
  readonly #events: WebhookEvents;
  #failed = 0;
  #failedBy: string | null = null;
  #unwritable = false;
  #stopped = false;
  #hasNews = true;
  #wake: () => void = () => undefined;

  /** @param file where its cursor is kept */
  constructor(
    options: WebhookOptions,
    findings: Pick<Findings, "news" | "now" | "listen">,
    file: string,
    system: System,
    post: Post,
    events: WebhookEvents,
  ) {
    this.#options = options;
    this.#findings = findings;
    this.#file = file;
    this.#system = system;
    this.#post = post;
    this.#events = events;
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    const unlisten = this.#findings.listen(() => {
      this.#hasNews = true;
      this.#wake();
    });
    try {
      await this.#tellAll(await this.#begin());
    } finally {
      unlisten();
    }
  }

  /** Whether the last message wasn't taken, and is tried again. */
  get failing(): boolean {
    return this.#failedBy !== null;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async #tellAll(from: Place): Promise<void> {
    let told = from;
    while (!this.#hasStopped()) {
      this.#hasNews = false;
      const { news, to } = this.#findings.news(told, 1);
      const [next] = news;
      if (next !== undefined) {
        const wait_ms = await this.#tell(next);
        if (wait_ms > 0) {
          await this.#wait(wait_ms, false);
          continue;
        }
        await this.#save(to);
      }
      told = to;
      if (next !== undefined) continue;
      if (this.#isQuiet()) await this.#wait(Infinity, true);
      await this.#wait(GATHER_MS, false);
    }
  }

  #hasStopped(): boolean {
    return this.#stopped;
  }

  #isQuiet(): boolean {
    return !this.#hasNews;
  }

  /** Where it was told up to; a webhook that is new begins now. */
  async #begin(): Promise<Place> {
    const { now } = this.#findings;
    const place = await this.#kept();
    if (place !== null && place.seq <= now.seq && place.revision <= now.revision) return place;
    // Not now: what wasn't told yet would never be.
    const begin = place === null ? now : BEGINNING;
    if (place !== null) this.#events.cursorDamaged(`${this.#file} is no cursor of these findings`);
    // At once: what is told from now on must not begin later after a restart.
    await this.#save(begin);
    return begin;
  }

  /** Null where there is none yet. What can't be read is beyond all that there is. */
  async #kept(): Promise<Place | null> {
    try {
      return readPlace(await readFile(this.#file, "utf8")) ?? { seq: Infinity, revision: Infinity };
    } catch (cause) {
      return (cause as NodeJS.ErrnoException).code === "ENOENT" ? null : { seq: Infinity, revision: Infinity };
    }
  }

  /** @returns how long to wait before it is told again, in milliseconds; 0: it need not be */
  async #tell(news: News): Promise<number> {
    try {
      const body = Buffer.from(JSON.stringify(messageOfNews(news)));
      const secrets = readSecrets(readText(this.#options.secret_file));
      const headers = signedHeaders(idOf(news), this.#system.clock.wall(), body, secrets);
      const posted = await this.#post({ ...headers, "content-type": "application/json", "user-agent": "Remit" }, body);
      return this.#answered(news.finding, posted);
    } catch (cause) {
      return this.#failure(messageOf(cause));
    }
  }

  #answered({ id }: Finding, posted: Posted): number {
    const { status } = posted;
    if (status >= 200 && status <= 299) {
      this.#failed = 0;
      if (this.#failedBy !== null) this.#events.delivering();
      this.#failedBy = null;
      return 0;
    }
    if (NEVER.has(status)) {
      this.#events.setAside(id, `status ${status}`);
      return 0;
    }
    return Math.max(this.#failure(`status ${status}`), retryAfterMs(posted, this.#system.clock.wall()));
  }

  /** @returns about twice as long as the time before */
  #failure(detail: string): number {
    const { retry_ms, retry_max_ms } = this.#options;
    if (!this.#stopped && detail !== this.#failedBy) this.#events.failing(detail);
    this.#failedBy = detail;
    const most = Math.min(retry_max_ms, retry_ms * 2 ** Math.min(this.#failed++, 30));
    const bytes = new Uint8Array(1);
    this.#system.random.fill(bytes);
    return most / 2 + (most / 2) * ((bytes[0] ?? 0) / 256);
  }

  async #save(place: Place): Promise<void> {
    try {
      await writeDurably(this.#file, textOf(place));
      this.#unwritable = false;
    } catch (cause) {
      // It was told all the same; after a restart it is told again.
      if (!this.#unwritable) this.#events.cursorUnwritable(messageOf(cause));
      this.#unwritable = true;
    }
  }

  /** @param forNews whether news ends it */
  async #wait(ms: number, forNews: boolean): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      let cancel = (): void => undefined;
      const over = (): void => {
        cancel();
        this.#wake = () => undefined;
        resolve();
      };
      this.#wake = () => {
        if (forNews || this.#stopped) over();
      };
      if (ms !== Infinity) cancel = this.#system.timers.after(ms, over);
    });
  }
}

/** The same as long as nothing is new of it, so that whoever gets it twice can tell. */
function idOf({ finding, at }: News): string {
  return `msg_${finding.id}_${at.seq}_${at.revision}`;
}

function messageOfNews({ change, finding }: News): object {
  return { type: `finding.${change}`, timestamp: finding.verdict?.at ?? finding.last_seen, data: finding };
}

const textOf = ({ seq, revision }: Place): string => `${JSON.stringify({ v: 1, seq, revision })}\n`;

/** Null for what isn't one. */
function readPlace(text: string): Place | null {
  const [, seq, revision] = /^\{"v":1,"seq":(\d{1,15}),"revision":(\d{1,15})\}\n$/.exec(text) ?? [];
  return seq === undefined || revision === undefined ? null : { seq: Number(seq), revision: Number(revision) };
}

/** A crash leaves the old text or the new one. */
async function writeDurably(file: string, text: string): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beside = `${file}.new`;
  const written = await open(beside, "w", 0o600);
  try {
    await written.writeFile(text);
    await written.sync();
  } finally {
    await written.close();
  }
  await rename(beside, file);
  const opened = await open(folder, "r");
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
