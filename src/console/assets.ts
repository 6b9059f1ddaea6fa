/** The pages' files, read once and kept in memory with their compressed forms. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { brotliCompressSync, constants, createBrotliDecompress, createGzip, gzipSync } from "node:zlib";
import type { IncomingMessage, ServerResponse } from "node:http";
import { EVALUATING_POLICY, WORKER_POLICY } from "./doors.js";

interface Asset {
  type: string;
  plain: Buffer;
  br: Buffer;
  gzip: Buffer;
  /** Policy of a page or a worker, in the place of the one that all answers have. */
  policy?: string;
}

export type PageKind = "app" | "replay" | "playground";

const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  json: "application/json",
};
const FILES = {
  app: /^app-[A-Z0-9]+\.js$/i,
  style: /^app-[A-Z0-9]+\.css$/i,
  playground: /^playground-[A-Z0-9]+\.js$/i,
  library: /^library-[A-Z0-9]+\.json$/i,
  worker: /^playground-worker-[A-Z0-9]+\.js$/i,
  replay: /^replay-worker-[A-Z0-9]+\.js$/i,
};
const WORKERS = /^(?:playground|replay)-worker-/;
const FOREVER = "public, max-age=31536000, immutable";

export class Assets {
  readonly #files = new Map<string, Asset>();
  /** Pages, each the same for every address: what one shows it asks for. */
  readonly #shells: Readonly<Record<PageKind, Asset>>;
  /** The compiler, as the package has it: compressed. */
  readonly #opa: { name: string; br: Buffer };

  /**
   * @param folder of the built pages
   * @param opa path of the compiler as WebAssembly, compressed by Brotli
   * @throws Error if the folder doesn't hold built pages, or there is no compiler
   */
  constructor(folder: string, opa: string) {
    for (const name of readdirSync(folder)) {
      const type = TYPES[name.slice(name.lastIndexOf(".") + 1)];
      if (type === undefined) continue;
      const file = compressed(type, readFileSync(join(folder, name)));
      this.#files.set(name, WORKERS.test(name) || name.startsWith("values-") ? { ...file, policy: WORKER_POLICY } : file);
    }
    const path = (part: keyof typeof FILES): string => {
      const found = [...this.#files.keys()].find((name) => FILES[part].test(name));
      if (found === undefined) throw new Error(`${folder} holds no built page (${part}); run \`npm run build\``);
      return `/assets/${found}`;
    };
    const br = readFileSync(opa);
    const hash = createHash("sha256").update(br).digest("hex").slice(0, 8);
    this.#opa = { name: basename(opa, ".br").replace(/\.wasm$/, `-${hash}.wasm`), br };
    // Who is signed in is asked for while the script still comes.
    const head = '<link rel="preload" href="/api/me" as="fetch" crossorigin>\n';
    const page = (script: string, data: Readonly<Record<string, string>>): Asset => {
      const attributes = Object.entries(data).map(([name, value]) => ` data-${name}="${value}"`);
      return compressed(
        "text/html; charset=utf-8",
        Buffer.from(
          shell({
            ...{ style: path("style"), icon: "/assets/icon.svg", script, attributes },
            ...(script === path("app") && { head, frame: FRAME }),
          }),
        ),
      );
    };
    const tried = { worker: path("worker"), library: path("library"), opa: `/assets/${this.#opa.name}`, console: "" };
    this.#shells = {
      app: page(path("app"), {}),
      replay: { ...page(path("app"), { replay: path("replay") }), policy: EVALUATING_POLICY },
      playground: { ...page(path("playground"), tried), policy: EVALUATING_POLICY },
    };
  }

  sendShell(request: IncomingMessage, response: ServerResponse, which: PageKind): void {
    send(request, response, this.#shells[which], "no-cache");
  }

  /** Sends a file, whose name has a digest of what it holds. @returns false if there is no file of this name */
  async sendFile(request: IncomingMessage, response: ServerResponse, name: string): Promise<boolean> {
    if (name === this.#opa.name) {
      await this.#sendOpa(request, response);
      return true;
    }
    const file = this.#files.get(name);
    if (file === undefined) return false;
    send(request, response, file, name === "icon.svg" ? "max-age=3600" : FOREVER);
    return true;
  }

  /** Sends the compiler as it is kept; a browser that takes no Brotli, as most don't without TLS, gets it from a stream. */
  async #sendOpa({ headers, method }: IncomingMessage, response: ServerResponse): Promise<void> {
    const accepted = headers["accept-encoding"] ?? "";
    const encoding = /\bbr\b/.test(accepted) ? "br" : /\bgzip\b/.test(accepted) ? "gzip" : null;
    response.writeHead(200, {
      ...{ "content-type": "application/wasm", "cache-control": FOREVER, vary: "accept-encoding" },
      ...(encoding !== null && { "content-encoding": encoding }),
      ...(encoding === "br" && { "content-length": this.#opa.br.length }),
    });
    if (method === "HEAD" || encoding === "br") {
      response.end(method === "HEAD" ? undefined : this.#opa.br);
      return;
    }
    const from = Readable.from([this.#opa.br]);
    if (encoding === "gzip") await pipeline(from, createBrotliDecompress(), createGzip({ level: 1 }), response);
    else await pipeline(from, createBrotliDecompress(), response);
  }
}

/** Text of a page before its script has run: the beginning of what that draws. */
const FRAME = '<header class="bar"><a class="brand" href="/"><span aria-hidden="true">◆</span> Remit</a></header>';

/** Parts of a page's frame, by their addresses. */
export interface ShellParts {
  style: string;
  icon: string;
  script: string;
  /** Attributes of the element that the page is drawn in, each with a space before it. */
  attributes: readonly string[];
  /** Elements to add to the head. @default none */
  head?: string;
  /** Elements that stand where the page will be drawn. @default none */
  frame?: string;
}

/** Returns a page before its script has run. */
export function shell({ style, icon, script, attributes, head = "", frame = "" }: ShellParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${head}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Remit</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
</head>
<body>
<div id="app"${attributes.join("")}>${frame}</div>
<noscript>This page needs JavaScript. The command line has all that it shows: remit --help</noscript>
<script type="module" src="${script}"></script>
</body>
</html>
`;
}

function compressed(type: string, plain: Buffer): Asset {
  return { type, plain, br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }), gzip: gzipSync(plain) };
}

function send(
  { headers, method }: IncomingMessage,
  response: ServerResponse,
  { type, plain, br, gzip, policy }: Asset,
  cache: string,
): void {
  const accepted = headers["accept-encoding"] ?? "";
  const [encoding, body] = /\bbr\b/.test(accepted) ? ["br", br] : /\bgzip\b/.test(accepted) ? ["gzip", gzip] : [null, plain];
  response.writeHead(200, {
    ...{ "content-type": type, "content-length": body.length, "cache-control": cache, vary: "accept-encoding" },
    ...(encoding !== null && { "content-encoding": encoding }),
    ...(policy !== undefined && { "content-security-policy": policy }),
  });
  response.end(method === "HEAD" ? undefined : body);
}
