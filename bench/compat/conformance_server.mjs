/**
 * A server with the tools, resources and prompts that the protocol's own conformance suite asks for, on the protocol's own SDK: with a session for
 * 2025-11-25, without one for 2026-07-28. Runs where its packages are installed; prints its address once it listens.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { localhostHostValidation, localhostOriginValidation, NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from "@modelcontextprotocol/node"; // prettier-ignore
import {
  createMcpHandler,
  createRequestStateCodec,
  inputRequired,
  isLegacyRequest,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server,
} from "@modelcontextprotocol/server";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";
const RETRY_MS = 500;

const text = (value) => ({ type: "text", text: value });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const answer = (...content) => ({ content });
const message = (content) => ({ role: "user", content });
const form = (properties, required = []) => ({ type: "object", properties, required });
const field = (type, more = {}) => ({ type, ...more });

const states = createRequestStateCodec({ key: randomBytes(32) });

/** Asks in a result, as 2026-07-28 has it. */
const elicit = (prompt, name, type = "string") =>
  inputRequired.elicit({ message: prompt, requestedSchema: form({ [name]: field(type) }, [name]) });
const sample = (prompt) => inputRequired.createMessage({ messages: [message(text(prompt))], maxTokens: 100 });

/** Asks in a request of its own, as 2025-11-25 has it. */
const elicited = async ({ mcpReq }, prompt, requestedSchema) => {
  const { action, content = {} } = await mcpReq.send({ method: "elicitation/create", params: { message: prompt, requestedSchema } });
  return answer(text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`));
};

const notifying = async ({ mcpReq }, ...notifications) => {
  for (const notification of notifications) await mcpReq.notify(notification);
};
const logging = (data) => ({ method: "notifications/message", params: { level: "info", data } });

const DEFAULTS = form({
  name: field("string", { default: "John Doe" }),
  age: field("integer", { default: 30 }),
  score: field("number", { default: 95.5 }),
  status: field("string", { enum: ["active", "inactive", "pending"], default: "active" }),
  verified: field("boolean", { default: true }),
});
const titled = (...names) => names.map((name) => ({ const: name, title: `Title of ${name}` }));
const ENUMS = form({
  untitledSingle: field("string", { enum: ["option1", "option2", "option3"] }),
  titledSingle: field("string", { oneOf: titled("value1", "value2", "value3") }),
  legacyEnum: field("string", { enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] }),
  untitledMulti: { type: "array", minItems: 1, maxItems: 3, items: field("string", { enum: ["option1", "option2", "option3"] }) },
  titledMulti: { type: "array", minItems: 1, maxItems: 3, items: { anyOf: titled("value1", "value2", "value3") } },
});

/** Tools by name: those of both revisions, of one with a session, and of one without. */
const TOOLS = {
  test_simple_text: () => answer(text("This is a simple text response for testing.")),
  test_image_content: () => answer(image),
  test_audio_content: () => answer({ type: "audio", data: WAV, mimeType: "audio/wav" }),
  test_embedded_resource: () =>
    answer({
      type: "resource",
      resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "This is an embedded resource content." },
    }),
  test_multiple_content_types: () =>
    answer(text("Multiple content types test:"), image, {
      type: "resource",
      resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data","value":123}' },
    }),
  test_error_handling: () => ({ ...answer(text("This tool intentionally returns an error for testing")), isError: true }),
  test_tool_with_progress: async (_args, context) => {
    const { progressToken } = context.mcpReq._meta ?? {};
    const steps = [0, 50, 100].map((progress) => ({ method: "notifications/progress", params: { progressToken, progress, total: 100 } }));
    if (progressToken !== undefined) await notifying(context, ...steps);
    return answer(text(String(progressToken)));
  },
  json_schema_2020_12_tool: (args) => answer(text(JSON.stringify(args))),
};
const SESSION_TOOLS = {
  test_tool_with_logging: async (_args, context) => {
    await notifying(context, logging("Tool execution started"), logging("Tool processing data"), logging("Tool execution completed"));
    return answer(text("Tool with logging executed successfully"));
  },
  test_sampling: async ({ prompt }, { mcpReq }) => {
    const params = { messages: [message(text(prompt))], maxTokens: 100 };
    const { content } = await mcpReq.send({ method: "sampling/createMessage", params });
    return answer(text(`LLM response: ${content.text}`));
  },
  test_elicitation: ({ message: prompt }, context) => elicited(context, prompt, form({ response: field("string") }, ["response"])),
  test_elicitation_sep1034_defaults: (_args, context) => elicited(context, "Please review the form's defaults", DEFAULTS),
  test_elicitation_sep1330_enums: (_args, context) => elicited(context, "Please select options", ENUMS),
  test_reconnection: async (_args, { http }) => {
    http?.closeSSE?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return answer(text("Reconnection test completed successfully."));
  },
};
const STATELESS_TOOLS = {
  test_missing_capability: (_args, { mcpReq }) => {
    needs(mcpReq, "sampling");
    return answer(text("Success"));
  },
  test_custom_headers: ({ region }) => answer(text(`In ${region}`)),
  test_streaming_elicitation: async (_args, context) => {
    const { progressToken } = context.mcpReq._meta ?? {};
    if (progressToken !== undefined)
      await notifying(context, { method: "notifications/progress", params: { progressToken, progress: 50, total: 100 } });
    return answer(text("Streaming complete"));
  },
  test_logging_tool: async (_args, { mcpReq }) => {
    await mcpReq.log("info", "Diagnostic trace");
    return answer(text("Logging evaluated"));
  },
  test_trigger_tool_change: () => {
    stateless.notify.toolsChanged();
    return answer(text("Mutation triggered"));
  },
  test_trigger_prompt_change: () => {
    stateless.notify.promptsChanged();
    return answer(text("Mutation triggered"));
  },
  test_input_required_result_elicitation: asking(
    { user_name: elicit("What is your name?", "name") },
    ({ user_name }) => `Hello, ${user_name.content.name}!`,
  ),
  test_input_required_result_sampling: asking(
    { sample_request: sample("What is the capital of France?") },
    ({ sample_request }) => `Sampling result: ${sample_request.content.text}`,
  ),
  test_input_required_result_list_roots: asking(
    { roots_request: inputRequired.listRoots() },
    ({ roots_request }) => `Found ${roots_request.roots.length} root(s)`,
  ),
  test_input_required_result_request_state: asking(
    { confirm: elicit("Please confirm", "ok", "boolean") },
    () => "state-ok: requestState validated",
    "request-state",
  ),
  test_input_required_result_tampered_state: asking(
    { confirm: elicit("Please confirm", "ok", "boolean") },
    () => "integrity-ok: state verified",
    "tamper-test",
  ),
  test_input_required_result_multiple_inputs: asking(
    { user_name: elicit("What is your name?", "name"), greeting: sample("Generate a greeting"), client_roots: inputRequired.listRoots() },
    ({ user_name, greeting, client_roots }) =>
      `Name: ${user_name.content.name}; Greeting: ${greeting.content.text}; Roots: ${client_roots.roots.length}`,
    "multiple-inputs",
  ),
  test_input_required_result_multi_round: async (_args, { mcpReq }) => {
    const { step1, step2 } = mcpReq.inputResponses ?? {};
    const state = mcpReq.requestState();
    if (state?.round === 2 && step2) return answer(text(`Multi-round complete for ${state.name} who likes ${step2.content.color}`));
    if (state?.round === 1 && step1) {
      const requestState = await states.mint({ round: 2, name: step1.content.name, nonce: randomUUID() });
      return inputRequired({ inputRequests: { step2: elicit("Step 2: What is your favorite color?", "color") }, requestState });
    }
    const requestState = await states.mint({ round: 1, nonce: randomUUID() });
    return inputRequired({ inputRequests: { step1: elicit("Step 1: What is your name?", "name") }, requestState });
  },
  test_input_required_result_capabilities: async (_args, { mcpReq }) => {
    const names = Object.keys(mcpReq.inputResponses ?? {});
    if (names.length > 0) return answer(text(`capabilities-ok: received ${names.join(",")}`));
    const { elicitation, sampling } = capabilitiesOf(mcpReq);
    const inputRequests = {
      ...(elicitation && { elicit_input: elicit("Elicitation input", "value") }),
      ...(sampling && { sample_input: sample("Sample request") }),
    };
    if (Object.keys(inputRequests).length === 0) return answer(text("No supported capabilities declared"));
    return inputRequired({ inputRequests, requestState: await states.mint({ kind: "capabilities-test" }) });
  },
};

const ARGUMENTS = {
  test_sampling: form({ prompt: field("string") }, ["prompt"]),
  test_elicitation: form({ message: field("string") }, ["message"]),
  test_custom_headers: form({ region: field("string", { "x-mcp-header": "Region" }) }, ["region"]),
  json_schema_2020_12_tool: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...form({
      name: field("string"),
      address: { $ref: "#/$defs/address" },
      contactMethod: field("string", { enum: ["phone", "email"] }),
      phone: field("string"),
      email: field("string"),
    }),
    $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: field("string"), city: field("string") } } },
    allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
    if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
    then: { required: ["phone"] },
    else: { required: ["email"] },
    additionalProperties: false,
  },
};

const RESOURCES = {
  "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
  "test://static-binary": { mimeType: "image/png", blob: PNG },
  "test://watched-resource": { mimeType: "text/plain", text: "Watched resource content" },
};
const TEMPLATE = /^test:\/\/template\/([^/]+)\/data$/;

const argument = (name) => ({ name, description: `The argument ${name}`, required: true });
const PROMPTS = {
  test_simple_prompt: { gets: () => [text("This is a simple prompt for testing.")] },
  test_prompt_with_arguments: {
    arguments: [argument("arg1"), argument("arg2")],
    gets: ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  },
  test_prompt_with_embedded_resource: {
    arguments: [argument("resourceUri")],
    gets: ({ resourceUri: uri }) => [
      { type: "resource", resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." } },
      text("Please process the embedded resource above."),
    ],
  },
  test_prompt_with_image: { gets: () => [image, text("Please analyze the image above.")] },
};
const ASKING_PROMPTS = {
  test_input_required_result_prompt: {
    gets: (_args, { mcpReq }) => {
      const { user_context } = mcpReq.inputResponses ?? {};
      if (user_context) return [text(`Prompt with context: ${user_context.content.context}`)];
      return inputRequired({ inputRequests: { user_context: elicit("What context should the prompt use?", "context") } });
    },
  },
};

function capabilitiesOf({ envelope }) {
  return envelope?.["io.modelcontextprotocol/clientCapabilities"] ?? {};
}

function needs(request, capability) {
  if (capabilitiesOf(request)[capability] === undefined)
    throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { [capability]: {} } });
}

/** Returns a tool that asks for these until all are answered, with a state where `kind` says so. */
function asking(inputRequests, told, kind) {
  return async (_args, { mcpReq }) => {
    const responses = mcpReq.inputResponses ?? {};
    const isWhole = Object.entries(inputRequests).every(([name, { method }]) => isResponse(method, responses[name]));
    if (isWhole && (kind === undefined || mcpReq.requestState()?.kind === kind)) return answer(text(told(responses)));
    return inputRequired({ inputRequests, ...(kind !== undefined && { requestState: await states.mint({ kind, nonce: randomUUID() }) }) });
  };
}

function isResponse(method, response) {
  if (response === null || typeof response !== "object") return false;
  if (method === "elicitation/create") return response.action === "accept" && typeof response.content === "object";
  return method === "roots/list" ? Array.isArray(response.roots) : typeof response.content === "object";
}

function open(isStateless) {
  const tools = { ...TOOLS, ...(isStateless ? STATELESS_TOOLS : SESSION_TOOLS) };
  const prompts = { ...PROMPTS, ...(isStateless && ASKING_PROMPTS) };
  const server = new Server(
    { name: "conformance", version: "1.0.0" },
    {
      capabilities: {
        ...{ tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true } },
        ...{ completions: {}, logging: {} },
      },
      requestState: { verify: states.verify },
    },
  );
  server.setRequestHandler("tools/list", () => ({
    tools: Object.keys(tools).map((name) => ({ name, description: `The tool ${name}`, inputSchema: ARGUMENTS[name] ?? form({}) })),
  }));
  server.setRequestHandler("tools/call", ({ params }, context) => {
    if (!Object.hasOwn(tools, params.name)) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "no such tool");
    return tools[params.name](params.arguments ?? {}, context);
  });
  server.setRequestHandler("resources/list", () => ({
    resources: Object.entries(RESOURCES).map(([uri, { mimeType }]) => ({ uri, mimeType, name: uri, description: `The resource ${uri}` })),
  }));
  server.setRequestHandler("resources/templates/list", () => ({
    resourceTemplates: [
      { name: "template", uriTemplate: "test://template/{id}/data", mimeType: "application/json", description: "A template" },
    ],
  }));
  server.setRequestHandler("resources/read", ({ params: { uri } }) => {
    const [, id] = TEMPLATE.exec(uri) ?? [];
    if (id !== undefined)
      return {
        contents: [{ uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }],
      };
    if (!Object.hasOwn(RESOURCES, uri)) throw new ResourceNotFoundError(uri);
    return { contents: [{ uri, ...RESOURCES[uri] }] };
  });
  server.setRequestHandler("prompts/list", () => ({
    prompts: Object.entries(prompts).map(([name, { arguments: named }]) => ({
      name,
      description: `The prompt ${name}`,
      ...(named && { arguments: named }),
    })),
  }));
  server.setRequestHandler("prompts/get", ({ params }, context) => {
    if (!Object.hasOwn(prompts, params.name)) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "no such prompt");
    const got = prompts[params.name].gets(params.arguments ?? {}, context);
    return Array.isArray(got) ? { messages: got.map(message) } : got;
  });
  server.setRequestHandler("completion/complete", () => ({ completion: { values: [], total: 0, hasMore: false } }));
  if (!isStateless) {
    for (const method of ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"]) server.setRequestHandler(method, () => ({}));
  }
  return server;
}

/** Events of streams with a session, for clients that come back after a break. */
function eventStore() {
  const events = [];
  return {
    storeEvent: (stream, sent) => {
      events.push({ stream, sent });
      return Promise.resolve(String(events.length - 1));
    },
    replayEventsAfter: async (last, { send }) => {
      const { stream } = events[Number(last)] ?? {};
      for (const [id, event] of events.entries()) if (id > Number(last) && event.stream === stream) await send(String(id), event.sent);
      return stream;
    },
  };
}

const stateless = createMcpHandler(() => open(true), { legacy: "reject" });
const answerStateless = toNodeHandler(stateless);
const sessions = new Map();

async function answerSession(request, response, body) {
  const id = request.headers["mcp-session-id"];
  if (id !== undefined && !sessions.has(id)) return response.writeHead(404).end();
  if (id !== undefined) return sessions.get(id).handleRequest(request, response, body);
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    eventStore: eventStore(),
    retryInterval: RETRY_MS,
    onsessioninitialized: (made) => void sessions.set(made, transport),
    onsessionclosed: (closed) => void sessions.delete(closed),
  });
  await open(false).connect(transport);
  return transport.handleRequest(request, response, body);
}

const [isHostGood, isOriginGood] = [localhostHostValidation(), localhostOriginValidation()];
const server = createServer((request, response) => {
  if (!isHostGood(request, response) || !isOriginGood(request, response)) return;
  const answered = async () => {
    const body = request.method === "POST" ? await json(request) : undefined;
    const isSession = await isLegacyRequest(await toWebRequest(request, body), body);
    await (isSession ? answerSession : answerStateless)(request, response, body);
  };
  answered().catch((cause) => {
    console.error(cause);
    if (!response.headersSent) response.writeHead(400);
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/mcp`);
});
