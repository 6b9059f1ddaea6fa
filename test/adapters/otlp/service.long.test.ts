import { gzipSync } from "node:zlib";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { DecisionRecord, LogRecord, PolicyData } from "../../../src/contract/index.js";
import { readUnverified, type BundleContent } from "../../../src/bundle/verify.js";
import { ReplayBundles } from "../../../src/replay/bundles.js";
import { asset } from "../../../src/system/paths.js";
import { bundleBytes, policyData } from "../../bundle/support.js";
import { replayed } from "../../replay/desk.js";
import { ask, decided, runWithFacts, withAgent, type Json } from "../../http/asking.js";
import { ALL, REQUEST, tokenFor, type Running } from "../../http/running.js";
import { PROTO, asProtobuf } from "./proto.js";
import { MAPPING, hex, mcpSpan, span, toolSpan, traces, type Given } from "./spans.js";

const TOKEN = tokenFor("remit:observe", "collector");

function records({ folder }: Running): LogRecord[] {
  const log = join(folder, "log");
  return readdirSync(log)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(log, name), "utf8").trimEnd().split("\n"))
    .map((text) => JSON.parse(text) as LogRecord);
}

const observedIn = (service: Running): DecisionRecord[] =>
  records(service).filter((record): record is DecisionRecord => record.kind === "observed");

const readUnverifiedIn = (folder: string): Promise<BundleContent> => readUnverified(readFileSync(join(folder, "bundle.tar.gz")));

/** The id of what was acted on. */
const idIn = ({ input, request }: DecisionRecord): unknown => ((input?.["request"] ?? request) as { resource: { id: string } }).resource.id;

describe("traces that are observed", function () {
  let service: Running;
  let folder: string;
  const send = (body: unknown, asking: { path?: string; token?: string; headers?: Record<string, string> } = {}) =>
    ask(service, "POST", asking.path ?? "/v1/traces", { body, token: TOKEN, ...asking });
  const tool = (id: string, given: Given = {}): Json => toolSpan("read_note", JSON.stringify({ note_id: id, customer: "ada" }), given);
  const ids = (): unknown[] => observedIn(service).map(idIn);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-otel-"));
    writeFileSync(join(folder, "otel.yaml"), MAPPING);
    service = await runWithFacts({
      observe: {
        age_max_ms: 3_600_000,
        otlp: { mapping: join(folder, "otel.yaml"), body_bytes_max: 100_000, spans_max: 50, asked_within_ms: 5000 },
      },
    });
    await withAgent(service);
  });
  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("put a tool's call on record as observed, with its time, outcome, session and trace", async () => {
    const at = Date.now() - 1000;
    const attributes = { "gen_ai.conversation.id": "c-1" };
    const { status, body } = await send(traces([tool("n-tool", { at, attributes, status: { code: 2 } })]));
    expect([status, body]).to.deep.equal([200, {}]);
    const [record] = observedIn(service).filter((one) => idIn(one) === "n-tool");
    expect(record).to.deep.include({ caller: "collector", outcome: "failed", at: new Date(at).toISOString() });
    const { context } = record?.input?.["request"] as { context: { session: string; trace: string } };
    expect(context.session).to.equal("c-1");
    expect(context.trace).to.match(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });

  const mapped: [what: string, spans: () => Json[], id: string][] = [
    ["an MCP client's tools/call", () => [mcpSpan("read_note", { note_id: "n-mcp", customer: "ada" })], "n-mcp"],
    [
      "a resource that is read",
      () => [span({ attributes: { "mcp.method.name": "resources/read", "mcp.resource.uri": "notes://n-uri" } })],
      "n-uri",
    ],
    ["a prompt", () => [span({ attributes: { "mcp.method.name": "prompts/get", "gen_ai.prompt.name": "note" } })], "n-prompt"],
    [
      "another operation",
      () => [span({ attributes: { "gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "n-source" } })],
      "n-source",
    ],
    ["an id that the span has", () => [toolSpan("read_one", undefined, { attributes: { "app.note.id": "n-span" } })], "n-span"],
  ];
  for (const [what, spans, id] of mapped) {
    it(`take ${what}`, async () => {
      expect((await send(traces(spans()))).body).to.deep.equal({});
      expect(ids().at(-1)).to.equal(id);
    });
  }

  describe("as Protobuf, the default of every exporter", () => {
    const post = (body: Buffer, headers: Record<string, string> = {}, token = TOKEN): Promise<Response> =>
      fetch(`${service.url}/v1/traces`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/x-protobuf", ...headers },
        body,
      });
    const read = async (type: string, response: Response): Promise<unknown> => {
      expect(response.headers.get("content-type")).to.equal("application/x-protobuf");
      const message = PROTO.lookupType(type);
      return message.toObject(message.decode(Buffer.from(await response.arrayBuffer())), { longs: String });
    };

    for (const packed of [false, true]) {
      it(`are put on record${packed ? ", packed" : ""}`, async () => {
        const id = `n-protobuf-${packed}`;
        const body = asProtobuf(traces([tool(id)]));
        const response = packed ? await post(gzipSync(body), { "content-encoding": "gzip" }) : await post(body);
        expect([response.status, await read("Answer", response)]).to.deep.equal([200, {}]);
        expect(ids().at(-1)).to.equal(id);
      });
    }

    it("are told of in that form where some are rejected, or all", async () => {
      const response = await post(asProtobuf(traces([toolSpan("read_note", "{}")])));
      const { partialSuccess } = (await read("Answer", response)) as { partialSuccess: { rejectedSpans: string; errorMessage: string } };
      expect(partialSuccess.rejectedSpans).to.equal("1");
      expect(partialSuccess.errorMessage).to.match(/^[0-9a-f]{32}-[0-9a-f]{16}: ./);
      const refusals: [body: Buffer, token: string, status: number, code: number, message: RegExp][] = [
        [Buffer.from("hello"), TOKEN, 400, 3, /^field_invalid: .*as Protobuf/],
        [asProtobuf({}), tokenFor("remit:decide"), 403, 7, /^scope_missing/],
        [Buffer.alloc(100_001), TOKEN, 413, 3, /^body_too_large/],
      ];
      for (const [body, token, status, code, message] of refusals) {
        const refused = await post(body, {}, token);
        const told = (await read("RpcStatus", refused)) as { code: number; message: string };
        expect([refused.status, told.code]).to.deep.equal([status, code]);
        expect(told.message).to.match(message);
      }
    });

    it("are not taken for JSON, nor JSON for them", async () => {
      expect((await post(asProtobuf(traces([tool("n-x")])), { "content-type": "application/json" })).status).to.equal(400);
      expect((await post(Buffer.from(JSON.stringify(traces([tool("n-x")]))))).status).to.equal(400);
      expect((await post(Buffer.of(), { "content-type": "application/grpc" })).status).to.equal(415);
    });
  });

  describe("in other vocabularies", () => {
    const input = (id: string): string => JSON.stringify({ note_id: id, customer: "ada" });
    const told: [what: string, attributes: (id: string) => Json][] = [
      ["OpenInference", (id) => ({ "openinference.span.kind": "TOOL", "tool.name": "read_note", "input.value": input(id) })],
      ["the Vercel AI SDK", (id) => ({ "operation.name": "ai.toolCall", "ai.toolCall.name": "read_note", "ai.toolCall.args": input(id) })],
      [
        "OpenLLMetry",
        (id) => ({ "traceloop.span.kind": "tool", "traceloop.entity.name": "read_note", "traceloop.entity.input": input(id) }),
      ],
      [
        "OpenLLMetry of LangChain",
        (id) => ({
          ...{ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "read_note" },
          "traceloop.entity.input": JSON.stringify({ input_str: `{'note_id': '${id}'}`, tags: [], inputs: JSON.parse(input(id)) as Json }),
        }),
      ],
    ];
    for (const [what, attributes] of told) {
      it(`take a tool's call: ${what}`, async () => {
        const id = `n-${what.replaceAll(" ", "-")}`;
        expect((await send(traces([span({ attributes: attributes(id) })]))).body).to.deep.equal({});
        expect(ids().at(-1)).to.equal(id);
      });

      it(`reject one that doesn't say its arguments, and pass over one of no tool: ${what}`, async () => {
        const before = ids().length;
        const [kept] = Object.entries(attributes("x")).filter(([name]) => /kind$|operation\.name$/.test(name));
        const named = Object.fromEntries(Object.entries(attributes("x")).filter(([name]) => !/input|args/.test(name)));
        const { partialSuccess } = (await send(traces([span({ attributes: named })]))).body as {
          partialSuccess: { rejectedSpans: string };
        };
        expect(partialSuccess.rejectedSpans).to.equal("1");
        const other = { ...named, [kept?.[0] ?? ""]: "LLM" };
        expect((await send(traces([span({ attributes: other })]))).body).to.deep.equal({});
        expect(ids()).to.have.length(before);
      });
    }

    it("are warned of, once for each sender, where they look like a tool's and are in none", async () => {
      const warned = (): string[] =>
        service
          .said()
          .split("\n")
          .filter((line) => line.includes("spans_unknown"))
          .map((line) => (JSON.parse(line) as { caller: string }).caller);
      const token = (of: string): string => tokenFor("remit:observe", of);
      // What a model is offered says nothing of a call.
      const offered = span({ attributes: { "openinference.span.kind": "LLM", "llm.tools.0.tool.name": "read_note" } });
      await send(traces([offered]), { token: token("sender-0") });
      for (const of of ["sender-1", "sender-2", "sender-1"])
        await send(traces([span({ attributes: { "acme.tool.name": "read_note" } })]), { token: token(of) });
      expect(warned().filter((of) => of.startsWith("sender"))).to.deep.equal(["sender-1", "sender-2"]);
    });
  });

  it("take the agent from the span, from one above it, or from the service", async () => {
    const traceId = hex(16);
    const above = span({
      traceId,
      attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "desk-bot" },
    });
    const below = tool("n-below", { traceId, parentSpanId: String(above["spanId"]).toUpperCase() });
    const own = tool("n-own", { attributes: { "gen_ai.agent.id": "desk-bot" } });
    expect((await send(traces([above, below, own], { "service.name": "somebody" }))).body).to.deep.equal({});
    const agents = observedIn(service)
      .slice(-2)
      .map(({ input }) => (input?.["request"] as { agent: string }).agent);
    expect(agents).to.deep.equal(["a-1", "a-1"]);
    // What a service is called says nothing of who calls it.
    const before = ids().length;
    const served = mcpSpan("read_note", { note_id: "n-served", customer: "ada" }, { kind: 2 });
    expect((await send(traces([served], { "service.name": "desk-bot" }))).body).to.deep.equal({});
    expect(ids()).to.have.lengthOf(before);
  });

  it("pass over everything else", async () => {
    const before = records(service).length;
    const others = [
      span(),
      span({ attributes: { "gen_ai.operation.name": "chat" } }),
      span({ attributes: { "mcp.method.name": "initialize" } }),
    ];
    expect((await send(traces(others))).body).to.deep.equal({});
    expect(records(service)).to.have.lengthOf(before);
  });

  it("count one call once, whoever tells of it, and however often", async () => {
    const traceId = hex(16);
    const at = Date.now();
    const outer = tool("n-once", { traceId, at, ms: 50 });
    const client = mcpSpan(
      "read_note",
      { note_id: "n-once", customer: "ada" },
      { traceId, at: at + 5, ms: 30, parentSpanId: outer["spanId"] },
    );
    const inner = mcpSpan("read_note", undefined, {
      traceId,
      at: at + 9,
      ms: 9,
      kind: 2,
      parentSpanId: client["spanId"],
      attributes: { "gen_ai.agent.id": "desk-bot" },
    });
    const count = (): number => ids().filter((id) => id === "n-once").length;
    // Children end first, and are sent first; the server sends its own.
    expect((await send(traces([client]))).body).to.deep.equal({});
    expect((await send(traces([outer, client]))).body).to.deep.equal({});
    expect((await send(traces([inner]), { token: tokenFor("remit:observe", "crm") })).body).to.deep.equal({});
    expect(count()).to.equal(1);
    const later = tool("n-once", { traceId, at: at + 100, ms: 50 });
    expect((await send(traces([later]))).body).to.deep.equal({});
    expect(count(), "another call of the same").to.equal(2);
    const parallel = [tool("n-both", { traceId, at }), tool("n-both", { traceId, at })];
    await send(traces(parallel));
    expect(
      ids().filter((id) => id === "n-both"),
      "two of one instrumentation",
    ).to.have.lengthOf(2);
  });

  it("count once what is sent again while its first answer is awaited", async () => {
    const body = traces(Array.from({ length: 40 }, (_, i) => tool(`n-race-${i}`)));
    const answers = await Promise.all([1, 2, 3].map(() => send(body)));
    expect(answers.map((told) => [told.status, told.body])).to.deep.equal(Array(3).fill([200, {}]));
    expect(ids().filter((id) => String(id).startsWith("n-race-"))).to.have.lengthOf(40);
  });

  it("tell calls apart by their ids, where they have one", async () => {
    const traceId = hex(16);
    const at = Date.now();
    const call = (id: string) => ({ traceId, at, ms: 40, attributes: { "gen_ai.tool.call.id": id } });
    const input = { note_id: "n-call", customer: "ada" };
    await send(
      traces([
        toolSpan("read_note", input, call("c-1")),
        mcpSpan("read_note", input, call("c-2")),
        mcpSpan("read_note", input, call("c-1")),
      ]),
    );
    expect(ids().filter((id) => id === "n-call")).to.have.lengthOf(2);
  });

  describe("of an agent that is to ask", () => {
    const unasked = (id: string): boolean[] =>
      observedIn(service)
        .filter((one) => idIn(one) === id)
        .map((one) => one.unasked === true);
    const decide = (id: string): Promise<string> => decided(service, { resource: { ...REQUEST.resource, id } });

    it("are found where it hadn't: a finding, though the policy would have permitted it", async () => {
      await send(traces([tool("n-unasked")]));
      const record = observedIn(service).at(-1);
      expect(record).to.have.property("unasked", true);
      expect(record?.answer.decision).to.equal("allow");
      expect(record?.answer.reasons[0]).to.deep.include({
        ...{ code: "not_asked", effect: "log", severity: "high" },
        message: "agent a-1 did read note n-unasked without having asked",
      });
      const { body } = await ask(service, "GET", `/findings/${record?.answer.finding ?? ""}`);
      expect(body).to.deep.include({ code: "not_asked", agent: "a-1", state: "open", about: "code" });
    });

    it("are that decision's where it had: nothing is judged again", async () => {
      expect(await decide("n-asked")).to.match(/^allow/);
      const one = tool("n-asked");
      expect((await send(traces([one]))).body).to.deep.equal({});
      expect((await send(traces([one]))).body, "sent again").to.deep.equal({});
      expect(unasked("n-asked")).to.deep.equal([]);
      const decision = records(service).findLast(
        (record) => record.kind === "decision" && JSON.stringify(record.input).includes('"n-asked"'),
      ) as DecisionRecord;
      const vouched = records(service).flatMap((record) => (record.kind === "admin" && record.action === "vouched" ? [record] : []));
      const call = `${String(one["traceId"])}-${String(one["spanId"])}`;
      expect(vouched.at(-1)?.detail, "what vouched for which call").to.deep.nested.include({
        "calls[0].decision_id": decision.answer.decision_id,
        "calls[0].call": call.toLowerCase(),
      });
      expect(vouched, "once").to.have.lengthOf(1);
      const { text } = await ask(service, "GET", "/metrics", { token: tokenFor("remit:audit") });
      expect(text).to.match(/remit_spans_total\{what="asked"\} [1-9]/);
    });

    it("are found where one answer was acted on twice", async () => {
      await decide("n-twice");
      await send(traces([tool("n-twice")]));
      await send(traces([tool("n-twice")]));
      expect(unasked("n-twice")).to.deep.equal([true]);
    });

    it("are found where it was denied, or asked too long ago, or for something else", async () => {
      expect(await decided(service, { verb: "burn", resource: { ...REQUEST.resource, id: "n-denied" } })).to.match(/^deny/);
      await send(traces([toolSpan("burn_note", { note_id: "n-denied", customer: "ada" })]));
      expect(unasked("n-denied")).to.deep.equal([true]);
      await decide("n-other");
      await send(traces([tool("n-another")]));
      expect(unasked("n-another")).to.deep.equal([true]);
      await decide("n-late");
      // As if the decision had been an hour before.
      await send(traces([tool("n-late", { at: Date.now() - 600_000 })]));
      expect(unasked("n-late")).to.deep.equal([true]);
    });

    it("are only observed of an agent that need not", async () => {
      await send(traces([tool("n-free", { attributes: { "gen_ai.agent.id": "night-bot" } })]));
      expect(unasked("n-free")).to.deep.equal([false]);
      expect(observedIn(service).at(-1)?.answer).to.not.have.property("finding");
    });
  });

  it("are the sender's to tell of, whatever they say of themselves: others' agents are findings", async () => {
    const bounded = await runWithFacts({
      callers: { collector: { agents: ["a-2"] }, admin: {}, "gateway-1": {} },
      observe: { otlp: { mapping: join(folder, "otel.yaml") } },
    });
    try {
      await withAgent(bounded);
      const forged = tool("n-forged", { attributes: { caller: "gateway-1", "gen_ai.agent.id": "a-1" } });
      await ask(bounded, "POST", "/v1/traces", { body: traces([forged]), token: TOKEN });
      const record = observedIn(bounded).at(-1);
      expect(record?.answer.reasons.map(({ code }) => code)).to.deep.equal(["caller_not_permitted", "not_asked"]);
    } finally {
      await bounded.stop();
    }
  });

  describe("are answered", () => {
    it("with partial success: how many are rejected, as a text, and why", async () => {
      const good = tool("n-good");
      const bad = [
        toolSpan("unheard_of", {}),
        toolSpan("read_note", undefined),
        toolSpan("read_note", "{not json"),
        tool("n-\u202e"),
        tool("n-ancient", { at: Date.now() - 7_200_000 }),
        { ...tool("n-badly"), traceId: "x" },
        tool("n-nobody", { attributes: { "gen_ai.agent.id": "somebody else" } }),
      ];
      const { status, body } = await send(traces([...bad, good]));
      expect(status).to.equal(200);
      const { partialSuccess } = body as { partialSuccess: { rejectedSpans: string; errorMessage: string } };
      expect(partialSuccess.rejectedSpans).to.equal("7");
      expect(partialSuccess.errorMessage)
        .to.match(/traceId/)
        .and.match(/no such tool/)
        .and.match(/note_id/)
        .and.match(/and 2 more$/);
      expect(ids().at(-1)).to.equal("n-good");
    });

    const wholes: [what: string, asking: () => ReturnType<typeof send>, status: number, code: number][] = [
      ["no token", () => send(traces([]), { token: "" }), 401, 16],
      ["a token that may only decide", () => send(traces([]), { token: tokenFor("remit:decide") }), 403, 7],
      ["gRPC, to this port", () => send("\x0a\x00", { headers: { "content-type": "application/grpc" } }), 415, 3],
      ["another packing", () => send(traces([]), { headers: { "content-encoding": "br" } }), 415, 3],
      ["what is no gzip", () => send(traces([]), { headers: { "content-encoding": "gzip" } }), 400, 3],
      ["what is no JSON", () => send("{"), 400, 3],
      ["an empty body", () => send(""), 400, 3],
      ["a body over the limit", () => send(`{"x":"${"x".repeat(100_000)}"}`), 413, 3],
      ["too many spans", () => send(traces(Array.from({ length: 51 }, () => ({})))), 413, 3],
      ["a token without its scope", () => send("{}", { token: tokenFor("remit:decide") }), 403, 7],
      ["logs that are none", () => send({ resourceLogs: 1 }, { path: "/v1/logs" }), 400, 3],
    ];
    for (const [what, asking, status, code] of wholes) {
      it(`with a status that need not be tried again for ${what}`, async () => {
        const before = records(service).length;
        const told = await asking();
        expect([told.status, told.body["code"]]).to.deep.equal([status, code]);
        // What it is, where and what was expected: each said once.
        const parts = (told.body["message"] as string).split(/: (?:expected )?/);
        expect(parts, told.text).to.have.lengthOf(new Set(parts).size);
        expect(told.headers.get("retry-after")).to.equal(null);
        expect(told.headers.get("content-type")).to.equal("application/json");
        expect(
          records(service)
            .slice(before)
            .filter(({ kind }) => kind === "observed"),
        ).to.deep.equal([]);
      });
    }

    it("the same at `/observe`", async () => {
      expect((await send(traces([tool("n-observe")]), { path: "/observe" })).body).to.deep.equal({});
      expect(ids().at(-1)).to.equal("n-observe");
      expect((await send("{", { path: "/observe" })).body).to.have.property("code", 3);
    });

    it("packed as well, and without unpacking more than the limit", async () => {
      const packed = async (body: string): Promise<Response> =>
        fetch(`${service.url}/v1/traces`, {
          method: "POST",
          headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", "content-encoding": "gzip" },
          body: gzipSync(body),
        });
      expect((await packed(JSON.stringify(traces([tool("n-gzip")])))).status).to.equal(200);
      expect(ids().at(-1)).to.equal("n-gzip");
      const bomb = await packed(`{"x":"${"x".repeat(20_000_000)}"}`);
      expect([bomb.status, ((await bomb.json()) as Json)["code"]]).to.deep.equal([413, 3]);
    });

    it("for logs and metrics too, of which nothing is kept", async () => {
      const before = records(service).length;
      expect((await send({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: {} }] }] }] }, { path: "/v1/logs" })).body).to.deep.equal(
        {},
      );
      expect((await send({ resourceMetrics: [] }, { path: "/v1/metrics" })).body).to.deep.equal({});
      expect(records(service)).to.have.lengthOf(before);
    });
  });

  for (const [file, signal] of [
    ["trace", "traces"],
    ["logs", "logs"],
    ["events", "logs"],
    ["metrics", "metrics"],
  ] as const) {
    it(`take the protocol's own example: ${file}`, async () => {
      const body = readFileSync(asset("test", "vectors", "otlp_json", `${file}.json`), "utf8");
      const { status, body: said } = await send(body, { path: `/v1/${signal}` });
      expect([status, said]).to.deep.equal([200, {}]);
    });
  }

  it("are decided again as they were, with what they were found to be", async () => {
    await send(traces([tool("n-again"), tool("n-nobodys", { attributes: { "gen_ai.agent.id": "nobody" } })]));
    const bundle = readUnverifiedIn(service.folder);
    const bundles = new ReplayBundles([await bundle]);
    const { decisions, identical, differences } = await replayed(join(service.folder, "log"), bundles);
    expect(differences).to.deep.equal([]);
    expect(identical).to.equal(decisions);
    expect(observedIn(service).filter(({ unasked, floor }) => unasked === true && floor !== undefined)).to.not.be.empty;
  });

  it("have to be sent again where there is nothing to judge by, and are refused where nothing says what they mean", async () => {
    const bare = await runWithFacts({ observe: { otlp: { mapping: join(folder, "otel.yaml") } } }, false);
    try {
      const { status, body, headers } = await ask(bare, "POST", "/v1/traces", {
        body: traces([tool("x")]),
        token: TOKEN,
      });
      expect([status, body["code"], headers.get("retry-after")]).to.deep.equal([503, 14, "1"]);
    } finally {
      await bare.stop();
    }
    const none = await runWithFacts();
    try {
      const { status, body } = await ask(none, "POST", "/v1/traces", { body: traces([]), token: TOKEN });
      expect([status, body["code"]]).to.deep.equal([404, 5]);
      expect(body["message"]).to.match(/observe\.otlp|what traces mean/);
    } finally {
      await none.stop();
    }
  });

  it("are warned of where no bundle knows the mapping's words, at the start and with each bundle, once", async () => {
    const started = await runWithFacts({ observe: { otlp: { mapping: join(folder, "otel.yaml") } } });
    const warned = (): Json[] =>
      started
        .said()
        .split("\n")
        .filter((line) => line.includes("_unknown"))
        .map((line) => JSON.parse(line) as Json);
    const publish = async (sequence: number, data: PolicyData): Promise<void> => {
      const headers = { authorization: `Bearer ${ALL}`, "content-type": "application/gzip" };
      const body = new Uint8Array(await bundleBytes({ sequence, expires: null }, data));
      const response = await fetch(`${started.url}/bundles`, { method: "POST", headers, body });
      expect(response.status, await response.text()).to.be.below(300);
    };
    try {
      expect(warned()).to.have.length(1);
      const place = `${join(folder, "otel.yaml")}:6: tools.burn_note.burn`;
      expect(warned()[0]).to.include({ level: "warn", code: "verb_unknown", verb: "burn", place, places: 1, sequence: 12 });
      await publish(13, policyData());
      expect(warned()).to.have.length(1);
      const { verbs, ...vocabulary } = policyData().vocabulary;
      const reading = verbs["read"];
      if (reading === undefined) throw new Error("the vocabulary has no verb");
      await publish(14, { ...policyData(), vocabulary: { ...vocabulary, verbs: { burn: reading } } });
      expect(
        warned()
          .slice(1)
          .map(({ verb, places, sequence }) => [verb, places, sequence]),
      ).to.deep.equal([["read", 5, 14]]);
    } finally {
      await started.stop();
    }
  });

  it("hold a start up whose mapping can't be read", async () => {
    writeFileSync(join(folder, "bad.yaml"), "tools: {x: {}}");
    const start = runWithFacts({ observe: { otlp: { mapping: join(folder, "bad.yaml") } } });
    const cause: unknown = await start.then(
      (started) => started.stop(),
      (error: unknown) => error,
    );
    expect(String(cause)).to.match(/tools\.x: an entry has one verb/);
  });
});
