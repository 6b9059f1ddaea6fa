/**
 * Tells somebody's server of findings as they are opened and change: one message at a time, at least once each, for ever. What it
 * wasn't told yet is no queue but the findings themselves, so a server that is away for long hears of each once, as it then is.
 * Nothing that decides waits for it.
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Finding, WebhookFormat } from "../contract/index.js";
import { Attempts, type RetryOptions } from "../system/attempts.js";
import { errorMessage } from "../system/error_message.js";
import type { System } from "../system/index.js";
import type { Post, Posted } from "../system/post.js";
import { readRegularFile, readText, readToken } from "../system/read_file.js";
import { replaceFile } from "../system/replaced_file.js";
import type { Findings, News, ReaderPlace } from "./findings.js";
import { messageOf, pagerDutyEvent } from "./messages.js";
import { readSecrets, signedHeaders } from "./signature.js";

export interface WebhookOptions extends RetryOptions {
  /** @default "standard" */
  format?: WebhookFormat;
  /** Holds the secrets that sign messages, or PagerDuty's key; read before each message. For the forms of `WITH_SECRET`. */
  secret_file?: string;
  /** Address of the console, for links. Left out: nothing is linked. */
  console_url?: string;
  /** True for a button that approves an action that waits; for Slack. @default false */
  buttons?: boolean;
  /** True to tell only of actions that wait, and of verdicts on them. @default false */
  waiting_only?: boolean;
}

export interface WebhookEvents {
  /** Once per change of how it fails. */
  failing: (detail: string) => void;
  delivering: () => void;
  /** It can't do anything with this message, now or later. */
  setAside: (finding: string, detail: string) => void;
  /** Every finding is told again. */
  cursorDamaged: (detail: string) => void;
  cursorUnwritable: (detail: string) => void;
}

/** Status codes after which another attempt would change nothing. */
const NEVER: ReadonlySet<number> = new Set([400, 413, 415, 422]);
const BEGINNING: ReaderPlace = { seq: 0, revision: 0 };
/** Milliseconds for which news gathers: a burst of one finding is one message. */
const GATHER_MS = 250;

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #findings: Pick<Findings, "news" | "now" | "listen">;
  readonly #file: string;
  readonly #system: System;
  readonly #post: Post;
  readonly #events: WebhookEvents;
  readonly #attempts: Attempts;
  #unwritable = false;
  #hasNews = true;
  /** True while nothing is left to send, so that news ends the wait. */
  #idle = false;

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
    this.#attempts = new Attempts(options, system, { failing: events.failing, recovered: events.delivering });
  }

  /** Resolves once `stop` was called. */
  async run(): Promise<void> {
    const unlisten = this.#findings.listen(() => {
      this.#hasNews = true;
      if (this.#idle) this.#attempts.wake();
    });
    try {
      await this.#tellAll(await this.#begin());
    } finally {
      unlisten();
    }
  }

  /** Returns true if the last message wasn't accepted, and is being sent again. */
  get failing(): boolean {
    return this.#attempts.failing;
  }

  stop(): void {
    this.#attempts.stop();
  }

  async #tellAll(from: ReaderPlace): Promise<void> {
    let told = from;
    while (!this.#attempts.stopped) {
      this.#hasNews = false;
      const { news, to } = this.#findings.news(told, 1);
      const [next] = news;
      if (next !== undefined) {
        const wait_ms = this.#concerns(next) ? await this.#tell(next) : 0;
        if (wait_ms > 0) {
          await this.#attempts.wait(wait_ms);
          continue;
        }
        await this.#save(to);
      }
      told = to;
      if (next !== undefined) continue;
      await this.#quiet();
      await this.#attempts.wait(GATHER_MS);
    }
  }

  /** Resolves once there is news. */
  async #quiet(): Promise<void> {
    if (this.#hasNews) return;
    this.#idle = true;
    await this.#attempts.wait(Infinity);
    this.#idle = false;
  }

  /** Returns the place up to which findings were sent; a new webhook begins now. */
  async #begin(): Promise<ReaderPlace> {
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

  /** Reads the cursor; null if it doesn't exist yet. An unreadable cursor is beyond every place. */
  async #kept(): Promise<ReaderPlace | null> {
    try {
      return readPlace((await readRegularFile(this.#file)).toString("utf8")) ?? { seq: Infinity, revision: Infinity };
    } catch (cause) {
      return (cause as NodeJS.ErrnoException).code === "ENOENT" ? null : { seq: Infinity, revision: Infinity };
    }
  }

  /** @returns milliseconds until the next attempt; 0: none is needed */
  async #tell(news: News): Promise<number> {
    try {
      const { body, headers } = this.#messageOf(news);
      const posted = await this.#post({ ...headers, "content-type": "application/json", "user-agent": "Remit" }, body);
      return this.#answered(news.finding, posted);
    } catch (cause) {
      return this.#attempts.failed(cause);
    }
  }

  #concerns({ finding }: News): boolean {
    return this.#options.waiting_only !== true || finding.waiting.length > 0;
  }

  /** @throws Error of the file of secrets */
  #messageOf(news: News): { body: Buffer; headers: Record<string, string> } {
    const { format = "standard", secret_file = "", console_url = null, buttons = false } = this.#options;
    if (format === "pagerduty") return { body: bodyOf(pagerDutyEvent(news, console_url, readToken(secret_file))), headers: {} };
    const body = bodyOf(messageOf(format, news, console_url, buttons));
    if (format !== "standard") return { body, headers: {} };
    return { body, headers: signedHeaders(idOf(news), this.#system.clock.wall(), body, readSecrets(readText(secret_file))) };
  }

  #answered({ id }: Finding, posted: Posted): number {
    const { status } = posted;
    if (status >= 200 && status <= 299) {
      this.#attempts.succeeded();
      return 0;
    }
    if (NEVER.has(status)) {
      this.#events.setAside(id, `status ${status}`);
      return 0;
    }
    return this.#attempts.refused(posted);
  }

  async #save(place: ReaderPlace): Promise<void> {
    try {
      await writeDurably(this.#file, textOf(place));
      this.#unwritable = false;
    } catch (cause) {
      // It was told all the same; after a restart it is told again.
      if (!this.#unwritable) this.#events.cursorUnwritable(errorMessage(cause));
      this.#unwritable = true;
    }
  }
}

/** The same as long as nothing is new of it, so that whoever gets it twice can tell. */
function idOf({ finding, at }: News): string {
  return `msg_${finding.id}_${at.seq}_${at.revision}`;
}

const bodyOf = (message: object): Buffer => Buffer.from(JSON.stringify(message));

const textOf = ({ seq, revision }: ReaderPlace): string => `${JSON.stringify({ v: 1, seq, revision })}\n`;

/** Null for what isn't one. */
function readPlace(text: string): ReaderPlace | null {
  const [, seq, revision] = /^\{"v":1,"seq":(\d{1,15}),"revision":(\d{1,15})\}\n$/.exec(text) ?? [];
  return seq === undefined || revision === undefined ? null : { seq: Number(seq), revision: Number(revision) };
}

async function writeDurably(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await replaceFile(file, text, 0o600);
}
