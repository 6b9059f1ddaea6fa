/** Connections that ask and are answered one at a time, for benches that look at what was said and not only at how fast. */
import { connect, type Socket } from "node:net";
import type { Target as LoadTarget } from "./transport.js";

export interface Reply {
  status: number;
  head: string;
  body: string;
  /** From asking to the last byte, milliseconds. */
  ms: number;
}

export type Target = Pick<LoadTarget, "host" | "port" | "path" | "headers">;

const HEAD_END = Buffer.from("\r\n\r\n");

/** A whole HTTP request, ready to be written. */
export function requestOf({ host, port, path, headers }: Target, body: string | Buffer): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = `content-length: ${Buffer.byteLength(body)}`;
  const head = `POST ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\n${lines.join("")}${length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

export class Client {
  readonly socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #asked = 0;
  #answer: ((reply: Reply) => void) | null = null;

  static open({ host, port }: Pick<Target, "host" | "port">): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host).setNoDelay(true).once("error", reject);
      socket.once("connect", () => {
        resolve(new Client(socket));
      });
    });
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#take(chunk);
    });
    // Status 0: no answer came.
    socket.on("close", () => {
      this.#settle({ status: 0, head: "", body: "", ms: performance.now() - this.#asked });
    });
  }

  /** Answers with status 0 if no answer came, as on a connection that the other side has ended since the last one. */
  ask(request: Buffer): Promise<Reply> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#asked = performance.now();
      if (this.socket.destroyed) this.#settle({ status: 0, head: "", body: "", ms: 0 });
      else this.socket.write(request);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const end = this.#pending.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#pending.toString("latin1", 0, end);
    const from = end + HEAD_END.length;
    const to = from + Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#pending.length < to) return;
    const body = this.#pending.toString("utf8", from, to);
    this.#pending = this.#pending.subarray(to);
    this.#settle({ status: Number(head.slice(9, 12)), head, body, ms: performance.now() - this.#asked });
  }

  #settle(reply: Reply): void {
    const answer = this.#answer;
    this.#answer = null;
    answer?.(reply);
  }
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

/** One figure with its pass mark. */
export interface Mark {
  figure: string;
  found: number;
  unit: string;
  /** Null: printed, and nothing is asked of it. */
  most: number | null;
  least?: number;
}

export interface Judged extends Mark {
  passed: boolean;
}

/** Prints the figures as JSON or as lines; the exit code is 1 where one misses its mark. */
export function judge(marks: readonly Mark[], json: boolean): void {
  const missed = ({ found, most, least }: Mark): boolean =>
    Number.isNaN(found) || (most !== null && found > most) || (least !== undefined && found < least);
  if (json) console.log(JSON.stringify(marks.map((mark) => ({ ...mark, passed: !missed(mark) }))));
  else {
    for (const mark of marks) {
      const { figure, found, unit, most, least } = mark;
      const asked = most !== null ? `at most ${most}` : least !== undefined ? `at least ${least}` : "";
      const text = `${found.toFixed(Number.isInteger(found) ? 0 : 2)} ${unit}`;
      console.log(`${figure.padEnd(58)} ${text.padStart(16)}  ${asked.padEnd(14)} ${missed(mark) ? "MISSED" : ""}`);
    }
  }
  if (marks.some(missed)) process.exitCode = 1;
}
