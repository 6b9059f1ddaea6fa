/** A machine for a client whose clock and network are the test's, with a service that permits everything. */
import type { Outside } from "../../src/client/index.js";
import type { Answer, Reason } from "../../src/contract/index.js";

const POLICY = { bundle: "testing", revision: "r", sequence: 1, digest: "sha256:0" };

export class Pretended {
  now_ms = 1000;
  /** How long an answer is on its way. */
  takes_ms = 0;
  answer: (asked: Answer) => object = (asked) => asked;
  /** Of what it says no to. */
  reasons: Reason[] = [];
  readonly reported: unknown[] = [];
  /** The facts' revision, as a stream says it. */
  revision = 7;
  /** `Last-Event-ID` of each attempt to follow. */
  readonly followed: (string | null)[] = [];
  /** Whether nobody may follow. */
  refusing = false;
  readonly #digest: (asked: object) => Promise<string>;
  #timers: { at_ms: number; call: () => void }[] = [];
  #events: ReadableStreamDefaultController<Uint8Array> | null = null;
  #count = 0;

  /** @param digest of an action, as a service makes it */
  constructor(digest: (asked: object) => Promise<string>) {
    this.#digest = digest;
  }

  readonly outside: Outside = {
    monotonic: () => this.now_ms,
    after: (ms, call) => {
      const timer = { at_ms: this.now_ms + ms, call };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    },
    uuid: () => `client-${++this.#count}`,
    fetch: (url, init) => this.#fetch(url, init),
  };

  /** Lets time pass, and what was to happen meanwhile. */
  pass(ms: number): void {
    this.now_ms += ms;
    for (const { call } of this.#timers.filter(({ at_ms }) => at_ms <= this.now_ms)) call();
    this.#timers = this.#timers.filter(({ at_ms }) => at_ms > this.now_ms);
  }

  tell(event: string, data: object): void {
    this.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** To whoever follows, as it is. */
  write(text: string): void {
    this.#events?.enqueue(new TextEncoder().encode(text));
  }

  revoke(agent: string): void {
    this.tell("change", {
      revision: 8,
      durable: true,
      change: "revoked",
      narrows: true,
      key: `revocation/agent/${agent}`,
      scope: "agent",
      of: agent,
      agent,
      purpose: null,
      task: null,
      time: "2026-03-03T10:15:00Z",
    });
  }

  /** Nothing is heard any more. */
  silence(): void {
    this.#events?.error(new Error("cut"));
  }

  async #fetch({ pathname }: URL, { body, headers, signal }: RequestInit): Promise<Response> {
    if (pathname === "/events") {
      this.followed.push(new Headers(headers).get("last-event-id"));
      if (this.refusing) throw new TypeError("refused");
      const stream = new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.#events = controller;
          signal?.addEventListener("abort", () => {
            try {
              controller.error(new Error("gone"));
            } catch {
              /* it was */
            }
          });
        },
      });
      this.tell("ready", { facts_revision: this.revision, heartbeat_ms: 10_000, policy: POLICY });
      return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    }
    const asked = JSON.parse(body as string) as { actions?: object[] };
    if (pathname.endsWith("/outcome")) {
      this.reported.push(asked);
      return Response.json({});
    }
    const answers = await Promise.all((asked.actions ?? [asked]).map((one) => this.#decide(one)));
    this.now_ms += this.takes_ms;
    return Response.json(asked.actions === undefined ? answers[0] : { answers });
  }

  async #decide(asked: { request_id?: string }): Promise<object> {
    const n = String(++this.#count).padStart(12, "0");
    const permitted = this.reasons.length === 0;
    return this.answer({
      decision: permitted ? "allow" : "deny",
      proceed: permitted,
      decision_id: `0197f0c2-5f0e-7b2a-9d55-${n}`,
      ...(asked.request_id !== undefined && { request_id: asked.request_id }),
      action_digest: await this.#digest(asked),
      valid_for_ms: 5000,
      reasons: this.reasons,
      obligations: [],
      policy: POLICY,
      facts_revision: 7,
    });
  }
}
