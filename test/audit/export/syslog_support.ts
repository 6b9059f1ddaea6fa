/** Syslog and CEF as a receiver reads them: parsers written from the specifications, and a receiver on loopback. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

export interface SyslogMessage {
  facility: number;
  severity: number;
  time: string;
  host: string;
  app: string;
  msgid: string;
  data: Record<string, Record<string, string>>;
  text: string;
}

const HEADER = /^<(\d{1,3})>1 (\S+) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) /;
const ELEMENT = /^\[([\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32})((?: [\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\]/;

/** Reads a message by RFC 5424, section 6. @throws Error where it isn't one */
export function parseSyslog(message: Buffer): SyslogMessage {
  let rest = message.toString();
  const header = HEADER.exec(rest);
  if (header === null) throw new Error(`no header: ${rest.slice(0, 100)}`);
  rest = rest.slice(header[0].length);
  const data: SyslogMessage["data"] = {};
  for (let found = ELEMENT.exec(rest); found !== null; found = ELEMENT.exec(rest)) {
    const [whole, id = "", parameters = ""] = found;
    if (id in data) throw new Error(`element ${id} twice`);
    data[id] = Object.fromEntries(
      [...parameters.matchAll(/ ([^=]+)="((?:[^"\\\]]|\\["\\\]])*)"/g)].map(([, name = "", value = ""]) => [
        name,
        value.replace(/\\(["\\\]])/g, "$1"),
      ]),
    );
    rest = rest.slice(whole.length);
  }
  if (!rest.startsWith(" ")) throw new Error(`no structured data: ${rest.slice(0, 100)}`);
  const priority = Number(header[1]);
  const [, , time = "", host = "", app = "", , msgid = ""] = header;
  return { facility: Math.floor(priority / 8), severity: priority % 8, time, host, app, msgid, data, text: rest.slice(1) };
}

export interface CefEvent {
  header: string[];
  extension: Record<string, string>;
}

/** Reads a line by the format's rules of escaping. @throws Error where it isn't one */
export function parseCef(line: string): CefEvent {
  const found = /^CEF:0((?:\|(?:[^\\|]|\\[\\|])*){6})\|/.exec(line);
  if (found === null) throw new Error(`no header: ${line.slice(0, 100)}`);
  const header = [...(found[1] ?? "").matchAll(/\|((?:[^\\|]|\\[\\|])*)/g)].map(([, value = ""]) => value.replace(/\\([\\|])/g, "$1"));
  const extension: CefEvent["extension"] = {};
  let rest = line.slice(found[0].length);
  while (rest !== "") {
    // A value goes on to the next ` key=`, or to the end.
    const pair = /^([A-Za-z0-9]+)=((?:[^\\=]|\\[\\=nr])*?)(?= [A-Za-z0-9]+=|$)/.exec(rest);
    if (pair === null) throw new Error(`no pair: ${rest.slice(0, 100)}`);
    const [whole, key = "", value = ""] = pair;
    if (key in extension) throw new Error(`key ${key} twice`);
    extension[key] = value.replace(/\\([\\=nr])/g, (_all, what: string) => ({ n: "\n", r: "\r" })[what] ?? what);
    rest = rest.slice(whole.length + 1);
  }
  return { header, extension };
}

/** Messages of a stream with octet counting (RFC 6587, section 3.4.1), and what is left of it. @throws Error where it isn't one */
export function messagesIn(stream: Buffer): { messages: Buffer[]; rest: Buffer } {
  const messages: Buffer[] = [];
  let rest = stream;
  for (;;) {
    const space = rest.indexOf(" ");
    if (space < 0 && rest.length <= 10) return { messages, rest };
    const length = rest.toString("latin1", 0, space);
    if (!/^[1-9]\d{0,9}$/.test(length)) throw new Error(`no length: ${rest.toString("latin1", 0, 40)}`);
    const end = space + 1 + Number(length);
    if (rest.length < end) return { messages, rest };
    messages.push(rest.subarray(space + 1, end));
    rest = rest.subarray(end);
  }
}

/** What a receiver does with a connection. */
export type Manner =
  /** Reads all of it. */
  | "reads"
  /** Never reads. */
  | "stalls"
  /** Ends it as soon as it is there. */
  | "ends at once"
  /** Closes it without having read. */
  | "drops"
  /** Reads the first bytes, then resets it. */
  | "resets"
  /** Reads all of it, and never ends it. */
  | "lingers";

/** A receiver of syslog on loopback. */
export class SyslogReceiver {
  /** Messages that came whole, in order, as a receiver would have stored them. */
  readonly messages: Buffer[] = [];
  readonly faults: string[] = [];
  connections = 0;
  manner: Manner = "reads";
  port = 0;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  constructor(readonly tls: TlsOptions | null = null) {}

  get url(): string {
    return `syslog+${this.tls === null ? "tcp" : "tls"}://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const take = (socket: Socket): void => {
      this.#take(socket);
    };
    const server =
      this.tls === null
        ? createServer({ allowHalfOpen: true, pauseOnConnect: true }, take)
        : createTlsServer({ ...this.tls, allowHalfOpen: true }, take);
    // Those too that never come to speak TLS.
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.on("tlsClientError", () => undefined);
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(server, "close");
  }

  #take(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    const { manner } = this;
    if (manner === "stalls") return;
    if (manner === "ends at once") {
      socket.end();
      return;
    }
    if (manner === "drops") {
      setTimeout(() => socket.destroy(), 30);
      return;
    }
    socket.resume();
    let stream = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      if (manner === "resets") {
        socket.resetAndDestroy();
        return;
      }
      try {
        const { messages, rest } = messagesIn(Buffer.concat([stream, chunk]));
        this.messages.push(...messages.map((message) => Buffer.from(message)));
        stream = Buffer.from(rest);
      } catch (cause) {
        this.faults.push(String(cause));
        socket.destroy();
      }
    });
    socket.on("end", () => {
      if (stream.length > 0) this.faults.push(`ends within a message: ${stream.toString("latin1", 0, 40)}`);
      if (manner !== "lingers") socket.end();
    });
  }
}
