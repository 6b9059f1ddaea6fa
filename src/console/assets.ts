/** The page's files, read once and kept in memory with their compressed forms. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { IncomingMessage, ServerResponse } from "node:http";

interface Asset {
  type: string;
  plain: Buffer;
  br: Buffer;
  gzip: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const ENTRIES = { script: /^app-[A-Z0-9]+\.js$/i, style: /^app-[A-Z0-9]+\.css$/i };

export class Assets {
  readonly #files = new Map<string, Asset>();
  /** The page, the same for every address: what it shows it asks for. */
  readonly #shell: Asset;

  /** @throws Error if the folder doesn't hold a built page */
  constructor(folder: string) {
    for (const name of readdirSync(folder)) {
      const type = TYPES[name.slice(name.lastIndexOf(".") + 1)];
      if (type !== undefined) this.#files.set(name, compressed(type, readFileSync(join(folder, name))));
    }
    const named = (pattern: RegExp): string => {
      const found = [...this.#files.keys()].find((name) => pattern.test(name));
      if (found === undefined) throw new Error(`${folder} holds no built page; run \`npm run build\``);
      return found;
    };
    const shell = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Remit</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/${named(ENTRIES.style)}">
</head>
<body>
<div id="app"></div>
<noscript>The console needs JavaScript. The command line has all that it shows: remit --help</noscript>
<script type="module" src="/assets/${named(ENTRIES.script)}"></script>
</body>
</html>
`;
    this.#shell = compressed("text/html; charset=utf-8", Buffer.from(shell));
  }

  sendShell(request: IncomingMessage, response: ServerResponse): void {
    send(request, response, this.#shell, "no-cache");
  }

  /** Sends a file, whose name has a digest of what it holds. @returns false if there is no file of this name */
  sendFile(request: IncomingMessage, response: ServerResponse, name: string): boolean {
    const file = this.#files.get(name);
    if (file === undefined) return false;
    send(request, response, file, name === "icon.svg" ? "max-age=3600" : "public, max-age=31536000, immutable");
    return true;
  }
}

function compressed(type: string, plain: Buffer): Asset {
  return { type, plain, br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }), gzip: gzipSync(plain) };
}

function send({ headers, method }: IncomingMessage, response: ServerResponse, { type, plain, br, gzip }: Asset, cache: string): void {
  const accepted = headers["accept-encoding"] ?? "";
  const [encoding, body] = /\bbr\b/.test(accepted) ? ["br", br] : /\bgzip\b/.test(accepted) ? ["gzip", gzip] : [null, plain];
  response.writeHead(200, {
    ...{ "content-type": type, "content-length": body.length, "cache-control": cache, vary: "accept-encoding" },
    ...(encoding !== null && { "content-encoding": encoding }),
  });
  response.end(method === "HEAD" ? undefined : body);
}
