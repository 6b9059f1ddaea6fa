/**
 * Batches to a receiver that never answers, such as one of syslog: each on a connection of its own. Its end is the only answer there is: a
 * receiver that ends the connection after this side did has read all of it, since a system resets a connection whose bytes nobody read.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { System } from "./index.js";
import type { Post } from "./post.js";
import { readTlsFiles, type TlsFiles } from "./tls_files.js";

export interface StreamPostOptions {
  /** From the connection to its end. */
  timeout_ms: number;
  tls?: TlsFiles;
}

const OK = 200;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "syslog+tls:": 6514, "syslog+tcp:": 601 };
/** Least milliseconds from the last byte sent to this side's end: a receiver that left before the bytes reached it is noticed meanwhile. */
const SETTLE_MS = 20;

/** @param url `syslog+tls://host:port` or `syslog+tcp://host:port` */
export function streamPoster(
  url: URL,
  { timeout_ms, tls }: StreamPostOptions,
  { clock, timers }: Pick<System, "clock" | "timers">,
): { post: Post; close: () => void } {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
  const open = new Set<Socket>();
  const post: Post = (_headers, body) =>
    new Promise((resolve, reject) => {
      const secure = url.protocol === "syslog+tls:";
      const began = clock.monotonic();
      const socket = secure ? connectTls({ host, port, ...readTlsFiles(tls), minVersion: "TLSv1.2" }) : connect({ host, port });
      open.add(socket);
      let ended = false;
      let cancelEnd = (): void => undefined;
      const fail = (cause: Error): void => {
        cancel();
        cancelEnd();
        socket.destroy();
        reject(cause);
      };
      const cancel = timers.after(timeout_ms, () => {
        fail(new Error(`the receiver hasn't taken all of it within ${timeout_ms} ms`));
      });
      socket.on("error", fail);
      socket.once(secure ? "secureConnect" : "connect", () => {
        const round_ms = clock.monotonic() - began;
        socket.write(body, () => {
          cancelEnd = timers.after(SETTLE_MS + round_ms, () => {
            ended = true;
            socket.end();
          });
        });
      });
      // Whatever it says means nothing; unread it would hide the end.
      socket.resume();
      socket.once("end", () => {
        if (!ended) fail(new Error("the receiver ended the connection before it had all of it"));
      });
      socket.once("close", (hadError) => {
        open.delete(socket);
        if (hadError || !ended) {
          fail(new Error("the connection was closed before the receiver had all of it"));
          return;
        }
        cancel();
        resolve({ status: OK, retry_after: null });
      });
    });
  const close = (): void => {
    for (const socket of open) socket.destroy(new Error("closed"));
  };
  return { post, close };
}
