/** JSON-RPC as MCP uses it: what a message is, told by its members, which whoever read it has checked. */
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/sdk/types.js";
import { isObject } from "./mapping.js";

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

/** What came of a request. */
export type Reply = { result: Params } | { error: RpcError };

export type Message =
  | { kind: "request"; request: Request }
  | { kind: "notification"; notification: Notification }
  | { kind: "reply"; id: RequestId | undefined; reply: Reply };

const REQUEST: readonly string[] = ["jsonrpc", "id", "method", "params"];
const NOTIFICATION: readonly string[] = ["jsonrpc", "method", "params"];
const RESULT: readonly string[] = ["jsonrpc", "id", "result"];
const FAILURE: readonly string[] = ["jsonrpc", "id", "error"];
/** By which what is said belongs to a task. */
const RELATED_TASK = "io.modelcontextprotocol/related-task";

/** Whether parsed JSON is one message, with nothing beside: as the SDK's `JSONRPCMessageSchema` has it. */
export function isMessage(value: unknown): value is JSONRPCMessage {
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return false;
  const { id, method, params, result, error } = value;
  if (method !== undefined) {
    const only = id === undefined ? NOTIFICATION : REQUEST;
    return typeof method === "string" && (id === undefined || isId(id)) && isSaid(params) && hasOnly(value, only);
  }
  if (result !== undefined) return isId(id) && isObject(result) && isSaid(result) && hasOnly(value, RESULT);
  if (!isObject(error) || !Number.isSafeInteger(error["code"]) || typeof error["message"] !== "string") return false;
  return (id === undefined || isId(id)) && hasOnly(value, FAILURE);
}

function isId(value: unknown): value is RequestId {
  return typeof value === "string" || Number.isSafeInteger(value);
}

/** Parameters, or a result: whatever it holds, what it holds about itself is of its kind. */
function isSaid(value: unknown): boolean {
  if (value === undefined) return true;
  if (!isObject(value)) return false;
  const { _meta: meta } = value;
  if (meta === undefined) return true;
  if (!isObject(meta)) return false;
  const { progressToken, [RELATED_TASK]: task } = meta;
  if (progressToken !== undefined && !isId(progressToken)) return false;
  return task === undefined || (isObject(task) && typeof task["taskId"] === "string");
}

function hasOnly(value: Params, names: readonly string[]): boolean {
  for (const name in value) if (!names.includes(name)) return false;
  return true;
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

/** All members but one. */
export function without(of: Params, name: string): Params {
  return Object.fromEntries(Object.entries(of).filter(([member]) => member !== name));
}

export function notification(method: string, params?: Params): JSONRPCMessage {
  return { jsonrpc: "2.0", method, ...(params !== undefined && { params }) };
}

export function reply(id: RequestId, of: Reply): JSONRPCMessage {
  return { jsonrpc: "2.0", id, ...of };
}

/** JSON-RPC 2.0, section 5.1. */
export const RPC = { invalid_request: -32600, method_not_found: -32601, invalid_params: -32602, internal: -32603 };

/** Outside of what JSON-RPC and MCP have reserved, where SDKs use the same numbers for their own errors. */
export const REFUSED = 403;
