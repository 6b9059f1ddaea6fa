/** Follows `GET /events`, or another stream, on a connection of its own, which can be left unread. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { EventReader } from "../../src/client/event_source.js";
import type { Json } from "./asking.js";
import { tokenFor, type Running } from "./running.js";

export interface Seen {
  event: string;
  data: Json;
  /** `lastId` once it was read. */
  id: string | null;
}

export interface Following {
  token?: string;
  path?: string;
  /** After the path, such as `?task=T-1`. */
  query?: string;
  lastEventId?: string | number;
}

export const DECIDE = tokenFor("remit:decide", "pep-1");

const MS_MAX = 15_000;

export class Follower {
  readonly events: Seen[] = [];
  /** All that came, as text. */
  text = "";
  ended = false;
  readonly #reader = new EventReader();
  readonly #response: IncomingMessage;
  #wake: () => void = () => undefined;

  /** Resolves when the head has come. @throws Error with the status and the problem's code where it isn't 200 */
  static async follow(
    service: Pick<Running, "port">,
    { token = DECIDE, path = "/events", query = "", lastEventId }: Following = {},
  ): Promise<Follower> {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(lastEventId !== undefined && { "last-event-id": String(lastEventId) }),
    };
    const options = { host: "127.0.0.1", port: service.port, path: `${path}${query}`, headers, agent: false };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest(options, resolve).once("error", reject).end();
    });
    if (response.statusCode !== 200) {
      let body = "";
      for await (const chunk of response) body += String(chunk);
      const { code, field } = JSON.parse(body) as { code: string; field?: string };
      throw new Error([response.statusCode, code, field].filter((part) => part !== undefined).join(" "));
    }
    return new Follower(response);
  }

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.on("data", (chunk: Buffer) => {
      this.text += chunk.toString();
      for (const { event, data } of this.#reader.read(chunk)) {
        this.events.push({ event, data: JSON.parse(data) as Json, id: this.#reader.lastId });
      }
      this.#wake();
    });
    const over = (): void => {
      this.ended = true;
      this.#wake();
    };
    response.on("end", over).on("close", over).on("error", over);
  }

  get headers(): IncomingMessage["headers"] {
    return this.#response.headers;
  }

  get lastId(): string | null {
    return this.#reader.lastId;
  }

  get retry_ms(): number | null {
    return this.#reader.retry_ms;
  }

  get changes(): Json[] {
    return this.events.filter(({ event }) => event === "change").map(({ data }) => data);
  }

  /** `revoked agent/a-1`, and `?` behind what isn't durable. */
  get told(): string[] {
    return this.changes.map((data) => `${said(data["change"])} ${said(data["key"])}${data["durable"] === true ? "" : "?"}`);
  }

  async until(holds: () => boolean, what = "what is waited for"): Promise<void> {
    const began = performance.now();
    const timer = setTimeout(() => {
      this.#wake();
    }, MS_MAX);
    while (!holds()) {
      if (performance.now() - began >= MS_MAX - 1) throw new Error(`${what} has not come: ${this.text.slice(-1000)}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    clearTimeout(timer);
  }

  async ready(): Promise<this> {
    await this.until(() => this.events.some(({ event }) => event === "ready"), "ready");
    return this;
  }

  /** Resolves with why the service has ended it; null where it didn't say. */
  async end(): Promise<unknown> {
    await this.until(() => this.ended, "its end");
    const last = this.events.at(-1);
    return last?.event === "end" ? last.data["code"] : null;
  }

  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  close(): void {
    this.#response.destroy();
  }
}

export function said(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
