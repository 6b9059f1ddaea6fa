/** JSON-RPC as MCP uses it: what a message is, told by its members, which the SDK's schema has checked. */
import { JSONRPCMessageSchema, type JSONRPCMessage, type RequestId } from "@modelcontextprotocol/sdk/types.js";

export type { JSONRPCMessage, RequestId };
export type Params = Record<string, unknown>;

export interface Request {
  jsonrpc: "2.0";
  id: RequestId;
  method: string;
  params?: Params;
}

export interface Notification {
  jsonrpc: "2.0";
  method: string;
  params?: Params;
}

export interface RpcError {
  code: number;
  message: string;
  data?: unknown;
}

/** Result or error of a request. */
export type Reply = { result: Params } | { error: RpcError };

export type Message =
  | { kind: "request"; request: Request }
  | { kind: "notification"; notification: Notification }
  | { kind: "reply"; id: RequestId | undefined; reply: Reply };

/** Returns true if parsed JSON is exactly one message. */
export function isMessage(value: unknown): value is JSONRPCMessage {
  return JSONRPCMessageSchema.safeParse(value).success;
}

export function messageOf(message: JSONRPCMessage): Message {
  if ("method" in message) {
    return "id" in message
      ? { kind: "request", request: message as Request }
      : { kind: "notification", notification: message as Notification };
  }
  const reply = "result" in message ? { result: message.result } : { error: message.error };
  return { kind: "reply", id: message.id, reply };
}

/** `1` and `"1"` are two ids. */
export function keyOf(id: RequestId): string {
  return `${typeof id}:${id}`;
}

export function request(id: RequestId, method: string, params?: Params): JSONRPCMessage {
  return { jsonrpc: "2.0", id, method, ...(params !== undefined && { params }) };
}

const TRACE = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Returns the trace that a request's `_meta` names (W3C Trace Context), null if it names none. */
export function traceOf(params: Params | undefined): string | null {
  const { traceparent } = (params?.["_meta"] ?? {}) as Params;
  return typeof traceparent === "string" && TRACE.test(traceparent) ? traceparent : null;
}

export function notification(method: string, params?: Params): JSONRPCMessage {
  return { jsonrpc: "2.0", method, ...(params !== undefined && { params }) };
}

export function reply(id: RequestId, of: Reply): JSONRPCMessage {
  return { jsonrpc: "2.0", id, ...of };
}

/** JSON-RPC 2.0, section 5.1. */
export const RPC = { parse: -32700, invalid_request: -32600, method_not_found: -32601, invalid_params: -32602, internal: -32603 };

/** Header that names the task: on the request that begins a session, or on every request of a client without sessions. */
export const TASK_HEADER = "remit-task";

/** Outside of what JSON-RPC and MCP have reserved, where SDKs use the same numbers for their own errors. */
export const REFUSED = 403;
