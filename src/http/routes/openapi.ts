import { json, type Content } from "../reply.js";
import type { Operation, Route } from "../route.js";
import { Type } from "../../contract/type.js";

const Document = Type.Object({}, { title: "OpenApiDocument", additionalProperties: true, description: "An OpenAPI 3.1 document" });

export function openapi(others: readonly Operation[], version: string): Route {
  const operation: Operation = {
    id: "getOpenApi",
    method: "get",
    path: "/openapi.json",
    summary: "This document",
    scope: null,
    answers: { 200: { description: "OpenAPI 3.1", schema: Document } },
    problems: [],
  };
  let content: Promise<Content> | null = null;
  /** Loaded when it is first asked for: a start has no use for names, examples and descriptions. */
  async function document(): Promise<Content> {
    const { openApi } = await import("../openapi.js");
    return json(200, openApi([...others, operation], version));
  }
  return { operation, handle: () => (content ??= document()) };
}
