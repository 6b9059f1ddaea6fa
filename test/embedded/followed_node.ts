/** A node of a cluster, as far as an engine that follows it sees one: what it says, and when, is the test's. */
import type { ClientExchange, TransportAnswer } from "../../src/client/transport.js";
import type { AskEcho } from "../../src/contract/index.js";
import type { FeedCarrier } from "../../src/embedded/feed.js";
import { sleep, system } from "../../src/system/index.js";

export const AGE_MS = 400;
const AGENT = {
  ...{ id: "a-1", name: "", owner: "tests", version: "1", status: "active", token: "optional" },
  ...{ purposes: ["testing"], delegates: [], attributes: {}, credentials: [] },
  ...{ registered: "2026-01-01T00:00:00.000Z", bound: "2026-01-01T00:00:00.000Z" },
};

export class FollowedNode implements FeedCarrier {
  revision = 7;
  feed = "feed-1";
  /** What becomes of a question for an echo: it is answered, or held for so long, or not at all. */
  echoes: "at once" | "never" | "late" = "at once";
  /** Revision that echoes name in place of the right one. */
  claims: number | null = null;
  opened = 0;
  readonly asked: AskEcho[] = [];
  #write: (text: string) => void = () => undefined;
  #beats: (() => void) | null = null;

  open(): Promise<Response> {
    this.opened++;
    this.#beats?.();
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#write = (text) => {
          try {
            controller.enqueue(encoder.encode(text));
          } catch {
            // The engine has gone.
          }
        };
      },
    });
    this.#beats = system.timers.every(20, () => {
      this.beat();
    });
    this.tell("snapshot", { facts_revision: this.revision, gaps: true });
    this.fact(this.revision, "agent/a-1");
    this.tell("ready", {
      ...{ facts_revision: this.revision, heartbeat_ms: 1000, policy: null, facts: 1, start: "start-1" },
      shared: { feed: this.feed, stream: `stream-${this.opened}` },
      caller: { id: "app-1", agents: null, purposes: null, token: { jti: null, expires_ms: Number.MAX_SAFE_INTEGER } },
    });
    return Promise.resolve(new Response(body));
  }

  async send({ body }: ClientExchange): Promise<TransportAnswer> {
    const asked = JSON.parse(body) as AskEcho;
    this.asked.push(asked);
    if (this.echoes === "late") await sleep(2 * AGE_MS);
    if (this.echoes !== "never" && asked.stream === `stream-${this.opened}`)
      this.tell("echo", { nonce: asked.nonce, facts_revision: this.claims ?? this.revision });
    return { value: null, sent_ms: 0 };
  }

  /** Says that it is there, and nothing else. */
  beat(): void {
    this.#write(":\n\n");
  }

  tell(event: string, data: object): void {
    this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  fact(revision: number, key: string): void {
    const value = { ...AGENT, id: key.slice("agent/".length) };
    this.tell("fact", { revision, change: "agent_created", key, value });
  }

  close(): void {
    this.#beats?.();
  }
}
