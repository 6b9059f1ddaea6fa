/** Traces as instrumentations send them. */
import { randomBytes } from "node:crypto";

type Json = Record<string, unknown>;

export const hex = (bytes: number): string => randomBytes(bytes).toString("hex");

/** A value as OTLP has it. */
export function valueOf(value: unknown): Json {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Number.isInteger(value)) return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(valueOf) } };
  return { kvlistValue: { values: attributesOf(value as Json) } };
}

export const attributesOf = (of: Json): Json[] => Object.entries(of).map(([key, value]) => ({ key, value: valueOf(value) }));

export const nanos = (ms: number): string => `${Math.round(ms)}000000`;

export interface Given {
  attributes?: Json;
  at?: number;
  ms?: number;
  [member: string]: unknown;
}

export function span({ attributes = {}, at = Date.now(), ms = 20, ...members }: Given = {}): Json {
  return {
    traceId: hex(16),
    spanId: hex(8),
    name: "a span",
    kind: 1,
    startTimeUnixNano: nanos(at),
    endTimeUnixNano: nanos(at + ms),
    attributes: attributesOf(attributes),
    ...members,
  };
}

/** `execute_tool`, as the GenAI conventions have it. */
export function toolSpan(tool: string, input: unknown, given: Given = {}): Json {
  const { attributes = {}, ...rest } = given;
  const said = { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool };
  const written = input === undefined ? {} : { "gen_ai.tool.call.arguments": input };
  return span({ name: `execute_tool ${tool}`, ...rest, attributes: { ...said, ...written, ...attributes } });
}

/** `tools/call`, as the MCP conventions have it; 3 a client's, 2 a server's. */
export function mcpSpan(tool: string, input: unknown, given: Given = {}): Json {
  const { attributes = {}, ...rest } = given;
  const said = { "mcp.method.name": "tools/call", "gen_ai.tool.name": tool };
  const written = input === undefined ? {} : { "gen_ai.tool.call.arguments": input };
  return span({ kind: 3, name: `tools/call ${tool}`, ...rest, attributes: { ...said, ...written, ...attributes } });
}

export function traces(spans: unknown[], resource: Json = { "service.name": "a-1" }): Json {
  const scope = { name: "test", version: "1" };
  return { resourceSpans: [{ resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope, spans }] }] };
}

export const MAPPING = `
purpose: testing
tools:
  read_note: {read: note, id: note_id, attributes: {customer: customer}}
  read_one: {read: note, id: [$span, app.note.id], attributes: {customer: {is: ada}}}
  burn_note: {burn: note, id: note_id, attributes: {customer: customer}}
resources:
  - {uri: "notes://{id}", read: note, id: id, attributes: {customer: {is: ada}}}
prompts:
  note: {read: note, id: {is: n-prompt}, attributes: {customer: {is: ada}}}
operations:
  retrieval: {read: note, id: [$span, gen_ai.data_source.id], attributes: {customer: {is: ada}}}
agents:
  desk-bot: {agent: a-1}
  night-bot: {agent: a-1, asks: false}
`;
