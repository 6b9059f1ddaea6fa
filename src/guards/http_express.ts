/** Guards an Express application: mounted before the routes that it names. */
import type { Request, RequestHandler, Response } from "express";
import { Denied, fieldsOf, type Permitted, type Refusal, type RemitClient } from "../client/index.js";
import { checkNames } from "../client/options.js";
import { HTTP_GUARD, type HttpGuardOptions } from "./http.js";
import { HeldBody } from "./http_held_body.js";
import { refusalOf, type HttpRefusal, type Refused } from "./http_refusals.js";
import { HttpTable } from "./http_table.js";

const permittedBy = new WeakMap<Response, Permitted>();

/**
 * Returns the permission that a handler runs with: the action as it was decided, and the signal that fires when it is taken back.
 * @throws TypeError for a response that no guard has permitted
 * @example
 * import { permittedOf } from "@remit-pdp/client/guards/express";
 *
 * app.get("/customers/:id", async (_request, response) => {
 *   const { action, signal } = permittedOf(response);
 *   response.json(await readCustomer(action.resource.id, signal));
 * });
 */
export function permittedOf(response: Response): Permitted {
  const permitted = permittedBy.get(response);
  if (permitted === undefined) throw new TypeError("no guard has permitted this");
  return permitted;
}

/**
 * Returns middleware to mount before the routes that it names. A request that no route names is refused, and so is every other that isn't
 * permitted. An action is done once an answer below 400 has been sent whole.
 * @throws TypeError for a table that two readers could read differently; OptionError `option_unknown`
 * @example
 * import { byBearer } from "@remit-pdp/client/guards/http";
 * import { guardExpress } from "@remit-pdp/client/guards/express";
 *
 * const routes = [{ on: "GET /customers/:id", verb: "read", type: "customer", id: "id" }];
 * app.use(guardExpress(client, { routes, who: byBearer({ purpose: "customer_support" }) }));
 */
export function guardExpress(client: RemitClient, options: HttpGuardOptions<Request>): RequestHandler {
  checkNames(options, HTTP_GUARD);
  const table = new HttpTable(options);
  const { wait_ms, refused } = options;
  return function guarded(request, response, next) {
    const left = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) left.abort();
    });
    // Whoever goes on writing to an answer that was cut off must not bring the process down.
    response.on("error", () => undefined);
    let held: HeldBody | null = null;
    const refuse = (error: Refusal | Refused, refusal: HttpRefusal): void => {
      held?.letGo();
      refused?.(error, request);
      send(response, refusal);
    };

    const run = async (permitted: Permitted, modified: () => Promise<unknown>): Promise<void> => {
      const { answer, signal } = permitted;
      await modified();
      signal.throwIfAborted();
      const fields = fieldsOf(answer);
      const whole = sent(response);
      const unmet = new Promise<never>((_, reject) => {
        if (fields.length === 0) return;
        held = new HeldBody(response, new Set(fields), (cause) => {
          reject(new Denied("obligation_unmet", answer, { cause }));
        });
      });
      permittedBy.set(response, permitted);
      next();
      await Promise.race([whole, unmet]);
    };

    const serve = async (): Promise<void> => {
      const { method, originalUrl: target } = request;
      const { action, route } = await table.actionOf(request, { method, target, header: (name) => request.get(name) });
      await client.guard(action, (permitted) => run(permitted, () => table.modified(route, request, permitted.answer)), {
        signal: left.signal,
        ...(wait_ms !== undefined && { wait_ms }),
      });
    };

    serve().catch((error: unknown) => {
      if (error instanceof NotDone) return;
      const refusal = refusalOf(error);
      if (refusal === null) next(error);
      else refuse(error as Refusal | Refused, refusal);
    });
  };
}

/** Failure of a permitted request: the response reports an error, or wasn't received whole. */
class NotDone extends Error {}

/** Resolves once an answer is sent that says that something was done. */
function sent(response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once("close", () => {
      if (response.writableFinished && response.statusCode < 400) resolve();
      else reject(new NotDone());
    });
  });
}

function send(response: Response, { status, headers, body }: HttpRefusal): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.writeHead(status, headers).end(JSON.stringify(body));
}
