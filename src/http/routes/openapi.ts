import { json, type Content } from "../reply.js";
import type { Operation, Route } from "../route.js";
import { openApi } from "../openapi.js";

export function openapi(others: readonly Operation[], version: string): Route {
  const operation: Operation = {
    method: "get",
    path: "/openapi.json",
    summary: "This document",
    scope: null,
    answers: { 200: { description: "OpenAPI 3.1" } },
    problems: [],
  };
  let content: Content | null = null;
  return { operation, handle: () => (content ??= json(200, openApi([...others, operation], version))) };
}
