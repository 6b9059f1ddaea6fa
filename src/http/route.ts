/** A route: what it is called by, what the OpenAPI document says of it, and what it does. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TSchema } from "../contract/type.js";
import type { ProblemCode, Scope } from "../contract/index.js";
import type { QueryShape } from "./query.js";
import type { Content, Live, Streamed } from "./reply.js";

export interface Operation {
  /** `operationId`: clients' methods are named by it, so it stays as it is. In camelCase. */
  id: string;
  method: "get" | "post" | "patch" | "put" | "delete";
  /** With `{name}` for a segment that varies, `{+name}` for one or more at its end. */
  path: string;
  summary: string;
  /** Null where no token is asked for; of several, any opens it. */
  scope: Scope | readonly Scope[] | null;
  /** Left out: it has no query. */
  query?: QueryShape;
  /** Use of `If-Match`; left out, it isn't read. */
  if_match?: string;
  /** Use of `Last-Event-ID`; left out, it isn't read. */
  last_event_id?: string;
  request?: { types: readonly string[]; schema?: TSchema };
  answers: Readonly<Record<number, { description: string; type?: string | readonly string[]; schema?: TSchema }>>;
  /** Beside those that any request may be answered with. */
  problems: readonly ProblemCode[];
  /** Form of refusals that aren't problems (RFC 9457), and the status of each. */
  refusals?: { type: string; statusOf: (problem: { status: number }) => number };
}

export interface Route {
  operation: Operation;
  handle: (
    request: IncomingMessage,
    params: Readonly<Record<string, string>>,
    response: ServerResponse,
  ) => Content | Promise<Content | Streamed | Live>;
}
