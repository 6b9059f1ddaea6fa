import { Type } from "../../contract/type.js";
import { json } from "../reply.js";
import type { Route } from "../route.js";

const Health = Type.Object(
  { status: Type.Literal("ok", { description: "Always `ok`: the process answers" }) },
  { additionalProperties: false, title: "Health", description: "The process answers" },
);

export function healthz(): Route {
  return {
    operation: {
      id: "getHealth",
      method: "get",
      path: "/healthz",
      summary: "Whether the process answers",
      scope: null,
      answers: { 200: { description: "It does", schema: Health } },
      problems: [],
    },
    handle: () => json(200, { status: "ok" }),
  };
}
