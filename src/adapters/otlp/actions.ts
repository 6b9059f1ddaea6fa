/**
 * From spans to what agents did: those of the GenAI and MCP conventions (OpenTelemetry semantic conventions 1.41) that tell of
 * a call, each as a line of `POST /observe`. Everything else is passed over.
 */
import type { ObservedAction } from "../../contract/index.js";
import { Problem } from "../../contract/index.js";
import { scan } from "../../decision/scan.js";
import { actionIn, isObject, type Mapped } from "../../mapping/call_mapping.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import type { OtelMapping } from "./mapping.js";
import { isServer, type Attributes, type AttributeValue, type Span } from "./read.js";

/** Which instrumentation tells of a call: of one call several may. */
export type Teller = "tool" | "mcp_client" | "mcp_server" | "operation";

/** Call that a span reports, before it is known what it means. */
export interface ReportedCall {
  span: Span;
  teller: Teller;
  /** Name of the tool, prompt, resource or operation. */
  name: string;
  /** `gen_ai.tool.call.id`; null where none is said. */
  call: string | null;
}

export interface ReportedAction extends ReportedCall {
  line: ObservedAction;
  /** True if its agent should have asked before. */
  asks: boolean;
}

/** A span that tells of a call, and of none that can be judged. */
export interface Rejected {
  span: Span;
  why: string;
}

const OPERATION = "gen_ai.operation.name";
const METHOD = "mcp.method.name";
const TOOL = "gen_ai.tool.name";
const ARGUMENTS = "gen_ai.tool.call.arguments";
const CONVERSATION = "gen_ai.conversation.id";
const CALL_ID_MAX = 256;
/** A span's parents within its batch. */
const ANCESTORS_MAX = 64;
const SESSION_MAX = 256;
const ARGUMENT_LIMITS = { depth_max: 32, members_max: 1024 };

/** Null for a span that tells of none. */
export function toldBy(span: Span): ReportedCall | null {
  const { attributes } = span;
  const method = textOf(attributes[METHOD]);
  const call = textOf(attributes["gen_ai.tool.call.id"])?.slice(0, CALL_ID_MAX) ?? null;
  if (method !== null) {
    const named = { "tools/call": TOOL, "prompts/get": "gen_ai.prompt.name", "resources/read": "mcp.resource.uri" }[method];
    const teller = isServer(span) ? "mcp_server" : "mcp_client";
    return named === undefined ? null : { span, teller, name: `${method} ${textOf(attributes[named]) ?? ""}`, call };
  }
  const operation = textOf(attributes[OPERATION]);
  if (operation === "execute_tool") return { span, teller: "tool", name: `tools/call ${textOf(attributes[TOOL]) ?? ""}`, call };
  return operation === null ? null : { span, teller: "operation", name: operation, call };
}

/** Spans of one request, read together: what a span doesn't say itself, those above it may. */
export class Tellings {
  readonly #mapping: OtelMapping;
  readonly #byId: ReadonlyMap<string, Span>;

  constructor(spans: readonly Span[], mapping: OtelMapping) {
    this.#mapping = mapping;
    this.#byId = new Map(spans.map((span) => [`${span.trace}-${span.id}`, span]));
  }

  /** Null where it is passed over: nothing maps the operation, or a server doesn't say whose call it serves. */
  actOf(told: ReportedCall): ReportedAction | Rejected | null {
    const { span, teller } = told;
    const as = this.#agentOf(span, teller);
    try {
      const found = this.#mapped(told);
      if (found === null || as === null) return null;
      const { agent, purpose = this.#mapping.purpose, asks = this.#mapping.asks } = this.#mapping.agents.get(as) ?? { agent: as };
      if (purpose === undefined) return { span, why: "the mapping has no purpose for its agent" };
      const task = this.#task(span);
      const session = textOf(this.#above(span, CONVERSATION))?.slice(0, SESSION_MAX);
      const line = {
        request_id: `${span.trace}-${span.id}`,
        agent,
        purpose,
        ...(task !== null && { task }),
        ...actionIn(found.mapped, { ...found.values, $span: span.attributes, $resource: span.resource }),
        context: { ...(session !== undefined && { session }), trace: `00-${span.trace}-${span.id}-01` },
        at: new Date(span.start_ms).toISOString(),
        outcome: span.failed ? ("failed" as const) : ("done" as const),
      };
      return { ...told, line, asks: asks && teller !== "operation" };
    } catch (cause) {
      if (cause instanceof CallRefusal) return { span, why: whyNot(cause) };
      if (cause instanceof RangeError) return { span, why: "startTimeUnixNano is no time" };
      throw cause;
    }
  }

  #mapped({ span, teller, name }: ReportedCall): { mapped: Mapped; values: Attributes } | null {
    const { tools, prompts, resources, operations } = this.#mapping;
    if (teller === "operation") {
      const mapped = operations.get(name);
      return mapped === undefined ? null : { mapped, values: {} };
    }
    const [method, ...rest] = name.split(" ");
    const of = rest.join(" ");
    if (method === "resources/read") {
      for (const { uri, mapped } of resources) {
        const values = uri.match(of);
        if (values !== null) return { mapped, values };
      }
      throw new CallRefusal("resource_unavailable");
    }
    const mapped = (method === "prompts/get" ? prompts : tools).get(of);
    if (mapped === undefined) throw new CallRefusal(method === "prompts/get" ? "prompt_unavailable" : "tool_unavailable");
    return { mapped, values: argumentsOf(span) };
  }

  /** Returns the agent that called. A server's own span names by its service the server, not the caller. */
  #agentOf(span: Span, teller: Teller): string | null {
    const ids = [this.#above(span, "gen_ai.agent.id"), this.#above(span, "gen_ai.agent.name")].map(textOf);
    const service = teller === "mcp_server" ? null : textOf(span.resource["service.name"]);
    const known = [...ids, service].find((id) => id !== null && this.#mapping.agents.has(id));
    return known ?? ids[0] ?? service;
  }

  #task(span: Span): string | null {
    for (const attribute of this.#mapping.task ?? []) {
      const task = textOf(this.#above(span, attribute) ?? span.resource[attribute]);
      if (task !== null) return task;
    }
    return null;
  }

  /** Its own, or that of the nearest span above it in this request. */
  #above(span: Span, attribute: string): AttributeValue | undefined {
    let at: Span | undefined = span;
    for (let level = 0; at !== undefined && level < ANCESTORS_MAX; level++) {
      if (at.attributes[attribute] !== undefined) return at.attributes[attribute];
      at = at.parent === null ? undefined : this.#byId.get(`${at.trace}-${at.parent}`);
    }
    return undefined;
  }
}

/** Returns the arguments as instrumentations write them: JSON as a text, or an object. @throws CallRefusal `arguments_invalid` */
function argumentsOf({ attributes }: Span): Attributes {
  const given = attributes[ARGUMENTS];
  if (given === undefined || given === null || given === "") return {};
  const read = typeof given === "string" ? parsed(given) : given;
  if (!isObject(read)) throw new CallRefusal("arguments_invalid");
  return read as Attributes;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(scan(Buffer.from(text), ARGUMENT_LIMITS));
  } catch (cause) {
    if (cause instanceof Problem) throw new CallRefusal("arguments_invalid", { cause });
    throw cause;
  }
}

/** Returns true if a span has the arguments of its call, so that it can be judged. */
export const hasArguments = ({ attributes }: Span): boolean => attributes[ARGUMENTS] !== undefined;

function whyNot({ code, argument }: CallRefusal): string {
  switch (code) {
    case "tool_unavailable":
      return "the mapping has no such tool";
    case "prompt_unavailable":
      return "the mapping has no such prompt";
    case "resource_unavailable":
      return "the mapping has no such resource";
    case "argument_missing":
      return `the span doesn't say \`${argument ?? ""}\`; ${ARGUMENTS} has to be captured`;
    case "argument_invalid":
      return `\`${argument ?? ""}\` is no id`;
    default:
      return `${ARGUMENTS} can't be read`;
  }
}

const textOf = (value: AttributeValue | undefined): string | null => (typeof value === "string" && value !== "" ? value : null);
