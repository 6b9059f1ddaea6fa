/** LiveStreams of the service, fanned out: one upstream for all who look, and one stream to each page with all that it shows. */
import { Readable } from "node:stream";
import type { ServerResponse } from "node:http";
import { Connection } from "../client/connection.js";
import type { Outside } from "../client/outside.js";
import type { ChangeEvent, FoundRecord, Scope } from "../contract/index.js";
import type { System } from "../system/index.js";
import { uuid7 } from "../system/uuid.js";
import { addCounts, pulseOf, rowOf, type DecisionCounts, type LiveFilter, type LiveRow } from "./pulse.js";
import { ConsoleProblem } from "./problems.js";
import type { SignedInSession } from "./sessions.js";
import type { Tokens } from "./tokens.js";
import type { ServiceUpstream } from "./upstream.js";

/** Caller that follows the streams; the requests of people are under their own names. */
const FOLLOWER = "console";
const SCOPE: Scope = "remit:audit";
const PULSE_MS = 100;
const HEARTBEAT_MS = 5000;
const HEAD_MS = 10_000;
const EVENT_LENGTH_MAX = 8 * 1024 * 1024;
/** Rows that a page sees at once when it is opened. */
const RECENT_MAX = 200;
/** Seconds whose counts a page sees at once when it is opened without a filter. */
const SECONDS_MAX = 150;
/** Pages that one person may have open. */
const VIEWERS_OF_ONE = 16;
/** Bytes that wait for a slow page; behind them it is sent no rows. */
const WAITING_BYTES_MAX = 512 * 1024;
/** Bytes that wait for a page at which it is cut off: nobody reads there, and a browser that does opens a stream again. */
const STALLED_BYTES = 2 * 1024 * 1024;
/** Upstreams stay open so long after the last page, so that a reload finds them. */
const LINGERS_MS = 10_000;

interface Viewer {
  response: ServerResponse;
  person: string;
  filter: LiveFilter;
  key: string;
  seesRecords: boolean;
  /** Set once the page was told that it is sent no rows. */
  isSlow: boolean;
}

export interface LiveStreamsDeps {
  upstream: ServiceUpstream;
  tokens: Tokens;
  system: System;
  /** Called for each change of facts that the service tells of. */
  changed: (change: ChangeEvent) => void;
}

export class LiveStreams {
  readonly #deps: LiveStreamsDeps;
  readonly #viewers = new Set<Viewer>();
  #recent: LiveRow[] = [];
  #fresh: LiveRow[] = [];
  /** DecisionCounts of the last seconds, the newest last. */
  #seconds: DecisionCounts[] = [];
  /** Heard whether anybody looks or not: who is revoked is signed out at once. */
  readonly #changes: Connection;
  #connections: Connection[] = [];
  #stops: (() => void)[] = [];
  #linger = (): void => undefined;
  #isUp = false;

  constructor(deps: LiveStreamsDeps) {
    this.#deps = deps;
    this.#changes = this.#follow("/events", (event, data) => {
      if (event === "change") {
        deps.changed(data as ChangeEvent);
        this.#tell("change", data);
      } else if (event === "policy") this.#tell("policy", data);
    });
  }

  /** Begins to hear of changes. */
  start(): void {
    this.#changes.start();
  }

  /** Pages that look now. */
  get size(): number {
    return this.#viewers.size;
  }

  /**
   * Writes events to a page until either side ends it, or the session does.
   * @throws ConsoleProblem `streams_full`
   */
  open(response: ServerResponse, { person, ended }: SignedInSession, filter: LiveFilter): void {
    if ([...this.#viewers].filter((one) => one.person === person.id).length >= VIEWERS_OF_ONE) throw new ConsoleProblem("streams_full");
    const viewer = {
      response,
      person: person.id,
      filter,
      key: JSON.stringify(filter),
      seesRecords: person.scopes.has(SCOPE),
      isSlow: false,
    };
    this.#linger();
    this.#show();
    this.#viewers.add(viewer);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" });
    const end = (): void => {
      // At once: what is ended can't be written to, however long its last bytes wait for a page that doesn't read.
      this.#viewers.delete(viewer);
      if (response.writableLength > 0) response.destroy();
      else response.end();
    };
    ended.add(end);
    response.on("close", () => {
      ended.delete(end);
      this.#viewers.delete(viewer);
      if (this.#viewers.size === 0)
        this.#linger = this.#deps.system.timers.after(LINGERS_MS, () => {
          this.#rest();
        });
    });
    const recent = viewer.seesRecords ? this.#recent.filter((row) => pulseOf([row], filter) !== null) : [];
    write(viewer, "hello", {
      ...{ up: this.#isUp, sees_records: viewer.seesRecords, rows: recent },
      seconds: viewer.seesRecords && viewer.key === "{}" ? this.#seconds : [],
    });
  }

  /** Ends the upstreams, and every page's stream. */
  close(): void {
    this.#linger();
    for (const { response } of this.#viewers) response.end();
    this.#viewers.clear();
    this.#changes.close();
    this.#rest();
  }

  /** Ends what only pages are shown. */
  #rest(): void {
    for (const connection of this.#connections) connection.close();
    for (const stop of this.#stops) stop();
    this.#connections = [];
    this.#stops = [];
    this.#recent = [];
    this.#fresh = [];
    this.#seconds = [];
  }

  #show(): void {
    if (this.#connections.length > 0) return;
    const { timers } = this.#deps.system;
    this.#connections = [
      this.#follow("/decisions/stream", (event, data) => {
        const row = event === "record" ? rowOf(data as FoundRecord) : null;
        if (row !== null) this.#fresh.push(row);
      }),
      this.#follow("/findings/stream", (event, data) => {
        if (event === "finding") this.#tell("finding", brief(data as Brief));
      }),
    ];
    for (const connection of this.#connections) connection.start();
    this.#seconds = [noCounts()];
    this.#stops = [
      timers.every(PULSE_MS, () => {
        this.#pulse();
      }),
      timers.every(1000, () => {
        this.#seconds = [...this.#seconds, noCounts()].slice(-SECONDS_MAX);
      }),
      timers.every(HEARTBEAT_MS, () => {
        for (const viewer of this.#viewers) send(viewer, ":\n\n");
      }),
    ];
  }

  #follow(path: string, take: (event: string, data: unknown) => void): Connection {
    const { upstream, tokens, system } = this.#deps;
    const outside: Outside = {
      ...system.timers,
      monotonic: () => system.clock.monotonic(),
      fetch,
      uuid: uuid7(system.clock, system.random),
    };
    const open = async (_: string, type: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> => {
      const response = await upstream.open(path, tokens.forStream(FOLLOWER, [SCOPE]), headers, signal);
      if (response.statusCode !== 200 || response.headers["content-type"]?.startsWith(type) !== true) {
        response.destroy();
        throw new ConsoleProblem("service_unreachable");
      }
      return new Response(Readable.toWeb(response) as ReadableStream);
    };
    return new Connection(
      { open },
      outside,
      { path, head_ms: HEAD_MS, event_length_max: EVENT_LENGTH_MAX },
      {
        take: ({ event, data }) => {
          const said = JSON.parse(data) as { heartbeat_ms?: number };
          if (event === "ready") this.#setUp(true);
          take(event, said);
          return event === "ready" ? (said.heartbeat_ms ?? null) : null;
        },
        heard: () => undefined,
        silent: () => {
          this.#setUp(false);
        },
      },
    );
  }

  #setUp(isUp: boolean): void {
    if (this.#isUp === isUp) return;
    this.#isUp = isUp;
    for (const viewer of this.#viewers) write(viewer, "service", { up: isUp });
  }

  #tell(event: string, data: unknown): void {
    for (const viewer of this.#viewers) if (viewer.seesRecords) write(viewer, event, data);
  }

  #pulse(): void {
    const rows = this.#fresh;
    if (rows.length === 0) return;
    this.#fresh = [];
    const all = pulseOf(rows, {});
    this.#recent = [...this.#recent, ...(all?.rows ?? [])].slice(-RECENT_MAX);
    const second = this.#seconds.at(-1);
    if (all !== null && second !== undefined) addCounts(second, all.counts);
    // Pages with the same filter are sent the same bytes.
    const texts = new Map<string, string | null>();
    for (const viewer of this.#viewers) {
      if (!viewer.seesRecords) continue;
      let text = texts.get(viewer.key);
      if (text === undefined) {
        const pulse = pulseOf(rows, viewer.filter);
        texts.set(viewer.key, (text = pulse === null ? null : eventText("pulse", pulse)));
      }
      if (text === null) continue;
      const isSlow = viewer.response.writableLength > WAITING_BYTES_MAX;
      if (!isSlow) send(viewer, text);
      else if (!viewer.isSlow) write(viewer, "slow", {});
      viewer.isSlow = isSlow;
    }
  }
}

/** Parts of a finding that tell a page to look again. */
interface Brief {
  change: string;
  finding: { id: string; agent: string | null; severity: string; state: string };
}

function brief({ change, finding: { id, agent, severity, state } }: Brief): Brief {
  return { change, finding: { id, agent, severity, state } };
}

const noCounts = (): DecisionCounts => ({ allow: 0, flag: 0, deny: 0, wait: 0 });

function write(viewer: Viewer, event: string, data: unknown): void {
  send(viewer, eventText(event, data));
}

function send({ response }: Viewer, text: string): void {
  if (response.writableLength > STALLED_BYTES) response.destroy();
  else response.write(text);
}

function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
