/** Logs that grow, and a static web server as anybody has one: it knows nothing of logs. */
import { createReadStream, existsSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { writeLog, type Written, type WrittenOptions } from "../tree/written.js";

/** A log whose checkpoint is that of `size` records, though more may be on disk. */
export function logOf(folder: string, records: number, options: Partial<WrittenOptions> = {}): Written {
  return writeLog(folder, { records, segment_records: 250, ...options });
}

export function signAt(log: Written, size: number): void {
  writeFileSync(join(log.folder, "checkpoint"), log.checkpointAt(size));
}

/** Serves a folder's files. @returns its URL, and what closes it */
export async function serveStatic(folder: string): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const file = join(folder, normalize(decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname)));
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}
