/**
 * Fields that an answer says to take out, taken out of what MCP servers answer: structured content, and text that is JSON. In
 * other text, and in images, sound and files, nobody can tell where they are, so these are withheld whole.
 */
import { redacted } from "../../client/index.js";
import { isObject } from "../../mapping/call_mapping.js";

export const WITHHELD = "[withheld: it may hold what must not be shown]";

/**
 * @param result of `tools/call`, `resources/read` or `prompts/get`
 * @returns the same without the fields; members that no revision of the protocol names are left out
 */
export function redactedResult(result: unknown, fields: readonly string[]): Record<string, unknown> {
  const names = new Set(fields);
  const { content, structuredContent, contents, messages, isError, resultType, description } = isObject(result) ? result : {};
  // Words to a person, and a state that only the server can read: nobody can tell what is in them.
  if (resultType === "input_required") return { resultType: "complete", isError: true, content: [{ type: "text", text: WITHHELD }] };
  return {
    ...(typeof resultType === "string" && { resultType }),
    ...(typeof isError === "boolean" && { isError }),
    ...(typeof description === "string" && { description: withheldUnlessJson(description, names) }),
    ...(Array.isArray(content) && { content: content.map((item: unknown) => redactedContent(item, names)) }),
    ...(structuredContent !== undefined && { structuredContent: redactedJson(structuredContent, names) }),
    ...(Array.isArray(contents) && { contents: contents.map((item: unknown) => redactedResource(item, names)) }),
    ...(Array.isArray(messages) && { messages: messages.map((item: unknown) => redactedMessage(item, names)) }),
  };
}

/** Redacts a JSON value. Only members of objects have names that the fields could match; a text may contain such an object. */
function redactedJson(value: unknown, names: ReadonlySet<string>): unknown {
  return typeof value === "string" ? withheldUnlessJson(value, names) : redacted(value, names);
}

function redactedContent(item: unknown, names: ReadonlySet<string>): unknown {
  if (!isObject(item)) return { type: "text", text: WITHHELD };
  if (item["type"] === "text") return { type: "text", text: withheldUnlessJson(item["text"], names) };
  if (item["type"] === "resource") return { type: "resource", resource: redactedResource(item["resource"], names) };
  return { type: "text", text: WITHHELD };
}

function redactedMessage(item: unknown, names: ReadonlySet<string>): unknown {
  const { role, content } = isObject(item) ? item : {};
  return { ...(typeof role === "string" && { role }), content: redactedContent(content, names) };
}

function redactedResource(item: unknown, names: ReadonlySet<string>): unknown {
  const { uri, text } = isObject(item) ? item : {};
  return { ...(typeof uri === "string" && { uri }), text: withheldUnlessJson(text, names) };
}

function withheldUnlessJson(text: unknown, names: ReadonlySet<string>): string {
  if (typeof text !== "string") return WITHHELD;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return WITHHELD;
  }
  // A JSON text that is only a text says as much as any other text.
  if (typeof value === "string") return WITHHELD;
  return JSON.stringify(redacted(value, names));
}
