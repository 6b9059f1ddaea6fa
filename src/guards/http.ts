/**
 * Guards a server that maps a `Request` to a `Response`: `Bun.serve`, Deno, Hono, workers, Next.js routes. Express has
 * `guards/http_express.ts`.
 */
import { Denied, type Refusal, fieldsOf, redacted, type Permitted, type RemitClient } from "../client/index.js";
import { checkNames } from "../client/options.js";
import { type Refused, refusalOf, type HttpRefusal } from "./http_refusals.js";
import { HttpTable, type HttpTableOptions } from "./http_table.js";

export { REFUSALS, Refused, type HttpRefusal } from "./http_refusals.js";
export { byBearer, type BearerOptions, type GuardedRoute, type HttpTableOptions, type Matched, type ActorMembers } from "./http_table.js";

/** Receives each refusal, with the reasons that the caller doesn't get. */
export type RefusalListener<R> = (error: Refusal | Refused, request: R) => void;

export interface HttpGuardOptions<R> extends HttpTableOptions<R> {
  /** Milliseconds that approvals and confirmations may take. @default 0: nothing waits */
  wait_ms?: number;
  /** Called with each refusal and its request. @default it is told to nobody */
  refused?: RefusalListener<R>;
}

/** Names of the options of `guardFetch` and `guardExpress`. */
export const HTTP_GUARD: Record<keyof HttpGuardOptions<unknown>, true> = { routes: true, who: true, wait_ms: true, refused: true };

/** Answers a request that is permitted. It is given what was decided, and a signal that fires when that is taken back. */
export type Handler = (request: Request, permitted: Permitted) => Response | Promise<Response>;

/**
 * Wraps a handler of `Request` and `Response`. A request that no route names is refused, and so is every other that isn't permitted.
 * @returns a handler that answers a refusal with a problem (RFC 9457)
 * @throws TypeError for a table that two readers could read differently; OptionError `option_unknown`
 * @example
 * import { byBearer, guardFetch } from "@remit-pdp/client/guards/http";
 *
 * const routes = [{ on: "GET /customers/:id", verb: "read", type: "customer", id: "id" }];
 * const handle = guardFetch(client, { routes, who: byBearer({ purpose: "customer_support" }) }, async (_request, { action }) =>
 *   Response.json(await readCustomer(action.resource.id)),
 * );
 * const { status } = await handle(new Request("https://api.example.com/customers/ada")); // 401: no token
 */
export function guardFetch(
  client: RemitClient,
  options: HttpGuardOptions<Request>,
  handler: Handler,
): (request: Request) => Promise<Response> {
  checkNames(options, HTTP_GUARD);
  const table = new HttpTable(options);
  const { wait_ms, refused } = options;
  return async function guarded(request) {
    try {
      const { method, url, headers, signal } = request;
      const { pathname, search } = new URL(url);
      const source = { method, target: pathname + search, header: (name: string) => headers.get(name) ?? undefined };
      const { action, route } = await table.actionOf(request, source);
      return await new Promise<Response>((resolve, reject) => {
        // What runs is over when the last byte of its answer is.
        const run = async (permitted: Permitted): Promise<void> => {
          const asked = await table.modified(route, request, permitted.answer);
          const response = await withoutFields(await handler(asked, permitted), permitted);
          // Nobody would ever read the rest of it.
          if (method === "HEAD") await response.body?.cancel();
          if (response.body === null || method === "HEAD") {
            resolve(new Response(null, response));
            return;
          }
          const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
          resolve(new Response(readable, response));
          await response.body.pipeTo(writable, { signal: permitted.signal });
        };
        client.guard(action, run, { signal, ...(wait_ms !== undefined && { wait_ms }) }).catch(reject);
      });
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === null) throw error;
      refused?.(error as Refusal | Refused, request);
      return responseOf(refusal);
    }
  };
}

function responseOf({ status, headers, body }: HttpRefusal): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

export const JSON_BODY = /^application\/(?:[\w.+-]+\+)?json(?:[ \t]*;.*)?$/i;
/** Headers that say of the whole body what no longer holds of it, or could be told from one with the fields. */
export const OF_BODY = ["content-length", "etag", "content-md5", "digest", "content-digest", "repr-digest", "last-modified"];

/** @throws Denied `obligation_unmet` for what can't be redacted */
async function withoutFields(response: Response, { answer }: Permitted): Promise<Response> {
  const fields = fieldsOf(answer);
  if (fields.length === 0 || response.body === null) return response;
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  try {
    if (!JSON_BODY.test(headers.get("content-type") ?? "") || headers.has("content-encoding")) throw new TypeError("not plain JSON");
    for (const name of OF_BODY) headers.delete(name);
    const body = JSON.stringify(redacted(await response.json(), new Set(fields)));
    return new Response(body, { status, statusText, headers });
  } catch (cause) {
    throw new Denied("obligation_unmet", answer, { cause });
  }
}
