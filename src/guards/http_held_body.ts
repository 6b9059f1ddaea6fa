/** Holds back what is written to a Node response until it is whole, and lets go of it without the fields that must not be in it. */
import type { ServerResponse } from "node:http";
import { redacted } from "../client/index.js";
import { JSON_BODY, OF_BODY } from "./http.js";

/** An answer that is larger is refused: it would all have to be in memory. */
const BYTES_MAX = 16 * 1024 * 1024;

const METHODS = ["write", "end", "writeHead", "flushHeaders"] as const;
type Done = ((error?: Error | null) => void) | undefined;

export class HeldBody {
  readonly #response: ServerResponse;
  readonly #fields: ReadonlySet<string>;
  readonly #refuse: (error: Error) => void;
  /** The methods that stood here before, by name. */
  readonly #own: Record<string, unknown>;
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** @param refuse told of what can't be redacted; nothing of it is sent */
  constructor(response: ServerResponse, fields: ReadonlySet<string>, refuse: (error: Error) => void) {
    this.#response = response;
    this.#fields = fields;
    this.#refuse = refuse;
    this.#own = Object.fromEntries(METHODS.map((name) => [name, Reflect.get(response, name) as unknown]));
    Object.assign(response, {
      write: (...given: unknown[]): boolean => {
        this.#take(given)?.();
        return true;
      },
      end: (...given: unknown[]): ServerResponse => {
        const done = this.#take(given);
        if (done !== undefined) response.once("finish", done);
        this.#end();
        return response;
      },
      writeHead: (status: number, ...given: unknown[]): ServerResponse => {
        response.statusCode = status;
        const headers = given.at(-1);
        for (const [name, value] of pairs(headers)) response.setHeader(name, value);
        return response;
      },
      flushHeaders: () => undefined,
    });
  }

  /** From here on the response takes what it is given. */
  letGo(): void {
    Object.assign(this.#response, this.#own);
    this.#chunks = [];
  }

  /** @param given a chunk, perhaps its encoding, perhaps what to call */
  #take([chunk, ...rest]: unknown[]): Done {
    const done = [chunk, ...rest].find((one) => typeof one === "function") as Done;
    const encoding = typeof rest[0] === "string" ? (rest[0] as BufferEncoding) : "utf8";
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return done;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    this.#length += bytes.length;
    if (this.#length <= BYTES_MAX) this.#chunks.push(bytes);
    return done;
  }

  #end(): void {
    const [response, chunks] = [this.#response, this.#chunks];
    this.letGo();
    try {
      const body = this.#length === 0 ? null : this.#without(Buffer.concat(chunks));
      for (const name of OF_BODY) response.removeHeader(name);
      if (body === null) response.end();
      else response.setHeader("content-length", Buffer.byteLength(body)).end(body);
    } catch (error) {
      this.#refuse(error as Error);
    }
  }

  /** @throws TypeError, SyntaxError for what isn't JSON */
  #without(bytes: Buffer): string {
    const type = String(this.#response.getHeader("content-type") ?? "");
    if (this.#length > BYTES_MAX) throw new TypeError(`more than ${BYTES_MAX} bytes`);
    if (!JSON_BODY.test(type) || this.#response.hasHeader("content-encoding")) throw new TypeError("not plain JSON");
    return JSON.stringify(redacted(JSON.parse(bytes.toString()), this.#fields));
  }
}

/** Headers as `writeHead` takes them: by name, or one after the other. */
function pairs(headers: unknown): [string, string][] {
  if (Array.isArray(headers)) {
    return headers.flatMap((name, i) => (i % 2 === 0 ? [[String(name), String(headers[i + 1])] as [string, string]] : []));
  }
  return typeof headers === "object" && headers !== null ? (Object.entries(headers) as [string, string][]) : [];
}
