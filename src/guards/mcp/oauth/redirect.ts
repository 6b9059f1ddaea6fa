/** The end of a login in a browser: one answer, at an address of this machine that only this login knows (RFC 8252, section 7.3). */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Timers } from "../../../system/index.js";
import { ServerLoginError } from "./login_error.js";

const HOST = "127.0.0.1";
const PATH = "/callback";
/** Milliseconds in which a person has to have signed in. */
const WAIT_MS_MAX = 600_000;
const PLAIN = {
  "content-type": "text/plain; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  connection: "close",
};

export interface Redirect {
  url: string;
  /** Resolves with the parameters of the first answer to this login. @throws ServerLoginError `login_refused` after ten minutes */
  answer: (state: string) => Promise<URLSearchParams>;
  close: () => void;
}

/** Listens for an answer. @param port 0: any */
export async function listenForRedirect(port: number, timers: Pick<Timers, "after">): Promise<Redirect> {
  let take: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => {
    end(response, 404, "Nothing is here.");
  };
  const server = createServer((request, response) => {
    take(request, response);
  });
  server.listen(port, HOST);
  await once(server, "listening");
  const host = `${HOST}:${(server.address() as AddressInfo).port}`;
  const url = `http://${host}${PATH}`;
  return {
    url,
    answer: (state) =>
      new Promise((resolve, reject) => {
        const cancel = timers.after(WAIT_MS_MAX, () => {
          reject(new ServerLoginError("login_refused", `nobody has signed in within ${WAIT_MS_MAX / 60_000} minutes`));
        });
        take = (request, response) => {
          const query = queryOf(request, host);
          // Whatever page sent the browser here, it has ended no login of this guard's.
          if (query === null) end(response, 404, "Nothing is here.");
          else if (!isOne(query, state)) end(response, 400, "This is not the login that Remit waits for.");
          else {
            cancel();
            end(response, 200, "Remit has the answer: look at its terminal. This page can be closed.");
            resolve(query);
          }
        };
      }),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Null for what is no redirect to here, by whatever name a page called this machine. */
function queryOf({ method, url = "", headers }: IncomingMessage, host: string): URLSearchParams | null {
  if (method !== "GET" || headers.host !== host || !url.startsWith(`${PATH}?`)) return null;
  return new URLSearchParams(url.slice(PATH.length + 1));
}

function isOne(query: URLSearchParams, state: string): boolean {
  const given = query.getAll("state");
  return given.length === 1 && given[0] === state;
}

/** Ends with a fixed text: nothing of a request comes back, and nobody is sent anywhere. */
function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, PLAIN).end(`${text}\n`);
}
