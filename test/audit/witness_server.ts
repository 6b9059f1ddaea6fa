/** A witness on loopback (C2SP tlog-witness), which proves by itself that a log only grew, and cosigns. */
import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseCheckpoint } from "../../src/audit/tree/checkpoint.js";
import { fromBase64, type Hash } from "../../src/audit/tree/hash.js";
import { isConsistent } from "../../src/audit/tree/merkle.js";
import { openNote, readVerifier } from "../../src/audit/tree/note.js";

const NAME = "witness.example/w1";
const TYPE = 0x04;

export class WitnessServer {
  readonly requests: string[] = [];
  /** Answers in place of the witness's own; null: its own. */
  instead: ((own: () => [status: number, body: string]) => [status: number, body: string]) | null = null;
  seen: { size: number; root: Hash } | null = null;
  /** Verifier keys of the logs that it knows. */
  logs: readonly string[] = [];
  readonly #key: KeyObject = generateKeyPairSync("ed25519").privateKey;
  readonly #server: Server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      this.requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
      const own = (): [number, string] => this.#answer(body);
      const [status, text] = this.instead === null ? own() : this.instead(own);
      response.writeHead(status, { "content-type": status === 409 ? "text/x.tlog.size" : "text/plain" }).end(text);
    });
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/w1`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  get #typed(): Buffer {
    const raw = createPublicKey(this.#key).export({ format: "der", type: "spki" }).subarray(12);
    return Buffer.concat([Buffer.of(TYPE), raw]);
  }

  get #id(): Buffer {
    return createHash("sha256").update(`${NAME}\n`).update(this.#typed).digest().subarray(0, 4);
  }

  get vkey(): string {
    return `${NAME}+${this.#id.toString("hex")}+${this.#typed.toString("base64")}`;
  }

  #answer(body: string): [status: number, body: string] {
    const [, old = "", hashes = "", note = ""] = /^old (\d+)\n((?:[A-Za-z0-9+/=]+\n)*)\n([\s\S]+)$/.exec(body) ?? [];
    if (note === "") return [400, "no request"];
    const { text } = openNote(note, this.logs.map(readVerifier));
    const { size, root } = parseCheckpoint(text);
    if (Number(old) !== (this.seen?.size ?? 0)) return [409, `${this.seen?.size ?? 0}\n`];
    const proof = hashes.split("\n").flatMap((hash) => fromBase64(hash) ?? []);
    if (this.seen !== null && !isConsistent({ before: this.seen, after: { size, root }, proof })) return [422, "it doesn't prove that"];
    this.seen = { size, root };
    return [200, this.cosign(text)];
  }

  cosign(text: string): string {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000)));
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${time.readBigUInt64BE()}\n${text}`), this.#key);
    return `\u2014 ${NAME} ${Buffer.concat([this.#id, time, signature]).toString("base64")}\n`;
  }
}
