/** Answers of servers, taken apart for the service: structured content, and text, which is read as JSON where it is such. */
import type { Returned } from "../../contract/index.js";
import { returnedOf } from "../../flow/index.js";
import { isObject } from "../../mapping/call_mapping.js";

/** @param result of `tools/call`, `resources/read` or `prompts/get` */
export function returnedBy(result: unknown): Returned {
  const { content, structuredContent, contents, messages, description, inputRequests } = isObject(result) ? result : {};
  const parts = [
    ...(structuredContent === undefined ? [] : [structuredContent]),
    ...[content, contents, messages].flatMap((list) => (Array.isArray(list) ? (list as unknown[]).map(partOf) : [])),
    ...(typeof description === "string" ? [description] : []),
    // What a server asks of the client's person or model says something as well.
    ...(inputRequests === undefined ? [] : [inputRequests]),
  ];
  return returnedOf(parts.length === 1 ? parts[0] : parts);
}

/** A picture or a sound is words that nobody can take apart: the agent may still read them. */
const OPAQUE = "content that is no text";

function partOf(item: unknown): unknown {
  if (!isObject(item)) return OPAQUE;
  const { type, text, resource, content, uri } = item;
  if (type === "resource_link") return item;
  // A client shows whichever of these it knows, so all of them are told.
  const parts = [...(typeof text === "string" ? [json(text)] : []), ...[content, resource].filter(isObject).map(partOf)];
  if (parts.length === 0) return typeof uri === "string" ? { uri, text: OPAQUE } : OPAQUE;
  if (typeof uri === "string" && returnedOf(uri).paths.some(({ text }) => text)) parts.push({ uri });
  return parts.length === 1 ? parts[0] : parts;
}

function json(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
