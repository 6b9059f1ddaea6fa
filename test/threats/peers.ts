/** Peers that hold connections, and what a server needs to answer them. */
import { connect, type Socket } from "node:net";
import { system } from "../../src/system/index.js";
import { admission } from "../../src/http/admission.js";

const REVOKING = JSON.stringify({ scope: { everything: true }, reason: "r" });

/** One connection, kept. */
export class Peer {
  readonly #socket: Socket;
  #answered: (status: number) => void = () => undefined;
  #text = "";

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (bytes: Buffer) => {
      this.#text += bytes.toString("latin1");
      const [head, body] = this.#text.split("\r\n\r\n", 2);
      const length = /content-length: (\d+)/i.exec(head ?? "")?.[1];
      if (body === undefined || (length !== undefined && body.length < Number(length))) return;
      this.#answered(Number(this.#text.slice(9, 12)));
    });
    this.#socket.once("close", () => {
      this.#answered(0);
    });
  }

  /** Resolves with the status; 0: the connection was closed. */
  ask(route: string, authorization?: string): Promise<number> {
    if (this.#socket.destroyed) return Promise.resolve(0);
    this.#text = "";
    const body = route.startsWith("POST") ? REVOKING : "";
    const answered = new Promise<number>((resolve) => (this.#answered = resolve));
    this.#socket.write(
      `${route} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n` +
        `${authorization === undefined ? "" : `authorization: ${authorization}\r\n`}\r\n${body}`,
    );
    return answered;
  }

  /** Begins a request whose body doesn't come to its end. */
  begin(route: string, authorization: string): void {
    this.#text = "";
    this.#socket.write(
      `${route} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 400\r\n` +
        `authorization: ${authorization}\r\n\r\n{`,
    );
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/**
 * Parts of a server that decides at once, but for whoever asks with `Bearer held`, until it is released.
 * A caller is the word behind: `Bearer good pep-1`, or `gateway-1`.
 */
export function serverStubs(limits: object): Record<string, unknown> & { release: () => void; held: () => number } {
  const waiting: (() => void)[] = [];
  const seen = new Set<string>();
  let isReleased = false;
  const decide = async (_bytes: Uint8Array, authorization?: string): Promise<object> => {
    seen.add(authorization ?? "");
    if (authorization?.startsWith("Bearer held") === true && !isReleased) await new Promise<void>((resolve) => waiting.push(resolve));
    return { text: "{}" };
  };
  const timers = system.timers;
  const caller = { id: "gateway-1", scopes: new Set(["remit:revoke", "remit:revoke_all"]), token: { jti: null } };
  return {
    decider: { decide, decideBatch: decide, intake: {} },
    identity: {
      knownCaller: (authorization: string) => (seen.has(authorization) ? (authorization.split(" ")[2] ?? "gateway-1") : null),
      provenCaller: () => Promise.resolve("gateway-1"),
      authenticate: () => Promise.resolve(caller),
      mayAskFor: () => true,
      rightsOf: () => ({ agents: null, purposes: null }),
    },
    facts: { revoke: () => Promise.resolve({ fact: { id: "everything", revision: 1 }, in_force: null }) },
    metrics: { decided: () => undefined, problem: () => undefined },
    records: { refused: () => undefined },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    timers,
    admission: admission(1000, timers),
    observing: admission(4, timers),
    handingIn: admission(4, timers),
    flights: { begin: () => undefined },
    newId: () => "id-1",
    hosts: ["127.0.0.1"],
    limits: {
      ...{ depth_max: 32, members_max: 256 },
      ...{ body_bytes_max: 1000, batch_bytes_max: 1000, bundle_bytes_max: 1000, header_bytes_max: 4096, import_bytes_max: 1000 },
      ...{ headers_ms: 5000, body_ms: 5000, keep_alive_ms: 60_000, connections_max: 10 },
      observe: { streams_max: 4, bytes_max: 1000, idle_ms: 1000 },
      ...limits,
    },
    held: () => waiting.length,
    release: () => {
      isReleased = true;
      for (const go of waiting.splice(0)) go();
    },
  };
}
