/** A client that takes nothing for granted: each answer is read by the letter of RFC 9112, and what isn't one is said. */
import { connect, type Socket } from "node:net";
import type { Exchange } from "./requests.js";

const WAIT_MS = 15_000;
const HEAD_END = Buffer.from("\r\n\r\n");

export interface Received {
  status: number;
  headers: ReadonlyMap<string, string>;
  body: string;
}

export interface Outcome {
  answers: Received[];
  /** What is wrong with what came, or with what did not. */
  fault: string | null;
  /** The server cut the connection with bytes of ours unread. */
  reset: boolean;
}

/** One client: keeps its connection for as long as the server and its own requests let it. */
export class Client {
  #socket: Socket | null = null;

  constructor(readonly port: number) {}

  async send(exchange: Exchange): Promise<Outcome> {
    const socket = (this.#socket ??= connect({ port: this.port, host: "127.0.0.1", noDelay: true }));
    const outcome = await this.#exchange(socket, exchange);
    const kept = exchange.asked !== null && outcome.fault === null && outcome.answers.at(-1)?.headers.get("connection") !== "close";
    if (!kept || socket.destroyed) this.close();
    return outcome;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #exchange(socket: Socket, { bytes, cuts, asked, leaves }: Exchange): Promise<Outcome> {
    return new Promise((resolve) => {
      const answers: Received[] = [];
      let [pending, reset]: [Buffer, boolean] = [Buffer.alloc(0), false];
      const settle = (fault: string | null): void => {
        clearTimeout(timer);
        socket.removeAllListeners().on("error", () => undefined);
        resolve({ answers, fault, reset });
      };
      const timer = setTimeout(() => {
        settle(`no end within ${WAIT_MS} ms`);
      }, WAIT_MS);
      const read = (): void => {
        while (pending.length > 0) {
          const next = readAnswer(pending, asked?.[answers.length]?.method ?? "");
          if (next === null) return;
          if (typeof next === "string") {
            settle(next);
            return;
          }
          pending = pending.subarray(next.length);
          // RFC 9110, section 15.2: not the answer yet.
          if (next.answer.status >= 200) answers.push(next.answer);
        }
        if (asked !== null && answers.length === asked.length && answers.at(-1)?.headers.get("connection") !== "close") settle(null);
      };
      socket.on("data", (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        read();
      });
      socket.on("error", () => {
        reset = true;
      });
      socket.on("close", () => {
        const last = answers.at(-1);
        // Whoever leaves has no claim to the rest.
        if (leaves) settle(null);
        else if (pending.length > 0) settle(`${pending.length} bytes that are no answer`);
        else if (asked !== null && answers.length < asked.length && last?.headers.get("connection") !== "close")
          settle(`${answers.length} answers to ${asked.length} requests`);
        else settle(null);
      });
      void write(socket, bytes, cuts).then(() => {
        if (leaves) {
          socket.resetAndDestroy();
        } else if (asked === null) socket.end();
      });
    });
  }
}

async function write(socket: Socket, bytes: Buffer, cuts: readonly number[]): Promise<void> {
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (socket.destroyed) return;
    if (cut > from) socket.write(bytes.subarray(from, cut));
    from = cut;
    if (cuts.length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\x20-\x7e]+$/;
const HEADER = /^([a-zA-Z0-9-]+): ([\x20-\x7e]*)$/;

/** The first answer, null where more must come, or what is wrong with it. */
function readAnswer(bytes: Buffer, method: string): { answer: Received; length: number } | string | null {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return bytes.length > 65_536 ? "endless headers" : null;
  const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const status = Number(STATUS_LINE.exec(first)?.[1]);
  if (Number.isNaN(status)) return `status line ${JSON.stringify(first)}`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) return `header ${JSON.stringify(line)}`;
    if (headers.has(name.toLowerCase())) return `header twice: ${name}`;
    headers.set(name.toLowerCase(), value);
  }
  const stated = headers.get("content-length");
  if (status >= 200 && (stated === undefined || !/^\d+$/.test(stated))) return "an answer without its length";
  const length = method === "HEAD" ? 0 : Number(stated ?? 0);
  const to = end + HEAD_END.length + length;
  if (bytes.length < to) return null;
  return { answer: { status, headers, body: bytes.toString("utf8", to - length, to) }, length: to };
}
