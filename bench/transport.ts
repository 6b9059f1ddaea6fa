/**
 * Connections of a load generator: HTTP/1.1 on raw sockets, and gRPC as calls of shared HTTP/2 sessions. Raw, because a full
 * client costs more than the servers measured here and would set the figures.
 */
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { connect } from "node:net";

export interface Target {
  host: string;
  port: number;
  path: string;
  headers: Record<string, string>;
  /** Bodies, sent in turn; over gRPC they are messages in Base64. */
  bodies: string[];
  /** First line and headers of each, without its length, in place of `path` and `headers`; HTTP only. */
  heads?: string[];
  /** Several callers' `authorization`, in turn: of one caller no more is decided at once than its share; HTTP only. */
  authorizations?: string[];
  grpc?: boolean;
  /** Bytes in hex that an answer must begin with to be a good one; gRPC only. */
  begins?: string;
}

/** One request at a time. */
export interface Connection {
  send(request: number): void;
  /** Called with each answer: whether it is a good one, and its body. */
  answered: (ok: boolean, body: Buffer) => void;
  close(): void;
}

const HEAD_END = Buffer.from("\r\n\r\n");
/** Calls that share a session, as a proxy's do. */
const CALLS_PER_SESSION = 16;
/** gRPC: not compressed, then the message's length in four bytes. */
const FRAME_BYTES = 5;

/** Returns a function that opens a connection. */
export function opener(target: Target): () => Promise<Connection> {
  return target.grpc === true ? grpcOpener(target) : httpOpener(target);
}

function httpOpener(target: Target): () => Promise<Connection> {
  const requests = httpRequests(target);
  return () =>
    new Promise((resolve, reject) => {
      const socket = connect(target.port, target.host).setNoDelay(true);
      const connection: Connection = {
        send: (request) => socket.write(requests[request % requests.length] ?? ""),
        answered: () => undefined,
        close: () => socket.destroy(),
      };
      let pending = Buffer.alloc(0);
      socket.on("connect", () => {
        resolve(connection);
      });
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const head = pending.indexOf(HEAD_END);
        if (head < 0) return;
        const text = pending.toString("latin1", 0, head);
        const body = bodyOf(text, pending.subarray(head + HEAD_END.length));
        if (body === null) return;
        pending = Buffer.alloc(0);
        connection.answered(text.startsWith("HTTP/1.1 200"), body);
      });
    });
}

/** Whole HTTP requests, ready to be written. */
function httpRequests({ host, port, path, headers, bodies, heads, authorizations }: Target): Buffer[] {
  const asked = (authorizations ?? [null]).map((authorization) => {
    const all = authorization === null ? headers : { ...headers, authorization };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return `POST ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\n${lines.join("")}`;
  });
  return bodies.map((body, i) => {
    const head = heads?.[i] ?? asked[i % asked.length] ?? "";
    return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
}

/** Returns null until the body is whole. */
function bodyOf(head: string, rest: Buffer): Buffer | null {
  const length = /content-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return rest.length < Number(length) ? null : rest.subarray(0, Number(length));
  if (!/transfer-encoding: *chunked/i.test(head)) throw new Error(`neither a length nor chunks in: ${head}`);
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = rest.indexOf("\r\n", at);
    if (line < 0) return null;
    const size = parseInt(rest.toString("latin1", at, line), 16);
    if (rest.length < line + 2 + size + 2) return null;
    if (size === 0) return Buffer.concat(parts);
    parts.push(rest.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

function grpcOpener({ host, port, path, headers, bodies, begins = "" }: Target): () => Promise<Connection> {
  const messages = bodies.map(framed);
  const head = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers };
  const sessions: ClientHttp2Session[] = [];
  let calls = 0;
  return () => {
    if (calls++ % CALLS_PER_SESSION === 0) sessions.push(connectHttp2(`http://${host}:${port}`));
    const session = sessions.at(-1) as ClientHttp2Session;
    const connection: Connection = {
      send: (request) => {
        const stream = session.request(head);
        const parts: Buffer[] = [];
        let ok = false;
        stream.on("data", (part: Buffer) => parts.push(part));
        stream.on("trailers", (trailers: IncomingHttpHeaders) => (ok = trailers["grpc-status"] === "0"));
        stream.on("close", () => {
          const message = Buffer.concat(parts).subarray(FRAME_BYTES);
          connection.answered(ok && message.toString("hex", 0, begins.length / 2) === begins, message);
        });
        stream.end(messages[request % messages.length]);
      },
      answered: () => undefined,
      close: () => {
        session.close();
      },
    };
    return Promise.resolve(connection);
  };
}

function framed(body: string): Buffer {
  const message = Buffer.from(body, "base64");
  const frame = Buffer.alloc(FRAME_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, FRAME_BYTES);
  return frame;
}
