/** What is tried at the doors for other products: mapped documents, decision logs, traces over gRPC, and a witness's answers. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Client, Metadata, credentials, type ServiceError } from "@grpc/grpc-js";
import type { Content } from "../../src/http/reply.js";
import { printCheckpoint } from "../../src/audit/tree/checkpoint.js";
import { leafHash, nodeHash, toBase64, type Hash } from "../../src/audit/tree/hash.js";
import { consistencyProof, rootAt } from "../../src/audit/tree/merkle.js";
import { readSigner, signNote, type Signer } from "../../src/audit/tree/note.js";
import type { DecideRequest } from "../../src/contract/index.js";
import { Problem } from "../../src/contract/problem.js";
import type { Caller } from "../../src/decision/ports.js";
import type { HttpDeps } from "../../src/http/deps.js";
import type { Exchange } from "../../src/system/exchange.js";
import { system } from "../../src/system/index.js";
import { signerOf } from "../audit/tree/written.js";
import { CallRefusal } from "../../src/mapping/call_refusal.js";
import { StillTimers, turns } from "../facts/world.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";
import { signerPemOf } from "../audit/sealing.js";

/** Tokens and their scopes; any other is a stranger's. */
const SCOPES: Readonly<Record<string, readonly string[]>> = { sensor: ["remit:observe"], guard: ["remit:decide"] };
const identity = {
  authenticate: (authorization: string | undefined, scope: string) => {
    const token = /^Bearer (.+)$/.exec(authorization ?? "")?.[1];
    if (token === undefined) return Promise.reject(new Problem("token_missing"));
    const scopes = SCOPES[token];
    if (scopes === undefined) return Promise.reject(new Problem("token_invalid"));
    return scopes.includes(scope) ? Promise.resolve({ id: token }) : Promise.reject(new Problem("scope_missing"));
  },
};
const limits = {
  body_bytes_max: 65_536,
  batch_bytes_max: 65_536,
  body_ms: 10_000,
  depth_max: 16,
  members_max: 1000,
  string_bytes_max: 4096,
};

function posted(url: string, body: unknown, token: string | null): IncomingMessage {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = {
    ...{ "content-type": "application/json", "content-length": String(bytes.length) },
    ...(token !== null && { authorization: `Bearer ${token}` }),
  };
  return Object.assign(Readable.from([bytes]), { method: "POST", url, headers }) as unknown as IncomingMessage;
}

/** For routes that write nothing by themselves. */
const NO_RESPONSE = new ServerResponse(new IncomingMessage(new Socket()));

/** Tokens with which nobody may report. */
const STRANGERS: readonly (string | null)[] = [null, "forged", "guard"];

const MAPPING = `
documents:
  gateway:
    agent: subject
    purpose: {is: testing}
    rules: [{when: {method: GET}, read: note, id: id}]
`;

threat("B10", "a product that meets no obligations is told yes of what goes ahead without any, and of nothing else", {
  async check(tree) {
    const { parseOpaMapping } = await tree("adapters/opa/mapping.js");
    const { opaRoutes } = await tree("http/routes/opa.js");
    const answers: [what: string, permitted: boolean, decided: () => object][] = [
      ["what is permitted", true, () => ({ proceed: true, obligations: [] })],
      ["what is flagged and goes ahead", true, () => ({ verdict: "flag", proceed: true, obligations: [] })],
      ["what is denied", false, () => ({ proceed: false, obligations: [] })],
      ["what is permitted if fields are left out", false, () => ({ proceed: true, obligations: [{ redact: ["/email"] }] })],
      ["what is denied with obligations", false, () => ({ proceed: false, obligations: [{ notify: "desk" }] })],
      [
        "what can't be recorded",
        false,
        () => {
          throw new Problem("log_unavailable");
        },
      ],
    ];
    for (const [what, permitted, decided] of answers) {
      const deps = {
        decider: {
          intake: {
            authenticatedBody: (bytes: Buffer) =>
              Promise.resolve({ asked: JSON.parse(bytes.toString()) as unknown, caller: { id: "guard" } }),
          },
          decideAction: async (_: DecideRequest) =>
            Promise.resolve().then(() => ({ answer: { decision_id: "d-1", ...decided() }, stages: null })),
        },
        flights: { begin: () => undefined },
        metrics: { decided: () => undefined, problem: () => undefined },
        bundles: { status: { name: "b", running: null } },
        newId: () => "new",
        opa: parseOpaMapping(MAPPING, "opa.yaml"),
        ...{ limits, timers: system.timers },
      } as unknown as HttpDeps;
      const route = opaRoutes(deps, (decide) => decide(), "1").find(({ operation }) => operation.id === "opaWebhook");
      const tries: [input: object, may: boolean][] = [
        [{ subject: "a-1", method: "GET", id: "n-1" }, permitted],
        [{ subject: "a-1", method: "PUT", id: "n-1" }, false],
        [{ subject: "a-1", method: "GET", id: "n-1", as: "root" }, false],
        [{ method: "GET", id: "n-1" }, false],
      ];
      for (const [input, may] of tries) {
        const request = posted("/v0/data/gateway", input, "guard");
        const { body } = (await route?.handle(request, {}, NO_RESPONSE)) as Content;
        if (may && body !== "true") throw new Error(`${what} is answered with ${String(body)}`);
        if (!may && body !== "false") return `${what}, asked as ${JSON.stringify(input)}, is answered with ${String(body)}`;
      }
    }
    return null;
  },
  without: {
    "obligations being looked at": [
      cut.text("http/routes/opa.js", "mapped", "answer.proceed && answer.obligations.length === 0", "answer.proceed"),
    ],
    "whether it proceeds": [
      cut.text("http/routes/opa.js", "mapped", "answer.proceed && answer.obligations.length === 0", "answer.obligations.length === 0"),
    ],
    "errors being no": [cut.text("http/routes/opa.js", "mapped", "allowed: false", "allowed: true")],
    "a rule having to fit": [
      cut.text(
        "adapters/opa/mapping.js",
        "MappedDocument.actionOf",
        'when.every(({ from, is }) => valueOf({ from, as: "is" }, input) === is)',
        "true",
      ),
    ],
  },
});

const EVENTS = [true, false].map((result, i) => ({
  ...{ decision_id: `e-${i}`, path: "remit/allow", result, timestamp: "2026-03-01T09:00:00Z" },
  input: { agent: "a-1", purpose: "testing", verb: "read", resource: { type: "note", id: `n-${i}` } },
}));

threat("B11", "decision logs and statuses of other OPAs are taken from sensors, decide nothing, and what they permitted is on record", {
  async check(tree) {
    const { postOpaLogs, postOpaLogsOf, postOpaStatus, postOpaStatusOf } = await tree("http/routes/opa_reports.js");
    const heard: string[] = [];
    let lines = "";
    const deps = {
      ...{ identity, limits, timers: system.timers, opa: new Map() },
      get decider(): never {
        throw new Error("something is decided");
      },
      observing: { admit: (observe: () => Promise<unknown>) => observe() },
      observer: {
        begin: () => ({
          take: (bytes: Buffer) => ((lines += bytes.toString()), Promise.resolve()),
          end: () => ({ accepted: lines.split("\n").length - 1, refused: [], stopped: null }),
        }),
      },
      sensors: { heard: (id: string) => heard.push(id) },
      metrics: { observed: () => undefined },
      logger: { warn: () => undefined, info: () => undefined, error: () => undefined, log: () => undefined },
    } as unknown as HttpDeps;
    const routes: [path: string, route: typeof postOpaLogs, body: unknown, answer: object][] = [
      ["/logs", postOpaLogs, EVENTS, { observed: 1, passed_over: 1, rejected: 0 }],
      ["/logs/eu", postOpaLogsOf, EVENTS, { observed: 1, passed_over: 1, rejected: 0 }],
      ["/status", postOpaStatus, {}, {}],
      ["/status/eu", postOpaStatusOf, {}, {}],
    ];
    for (const [path, route, body, answer] of routes) {
      const send = async (token: string | null): Promise<string> => {
        lines = "";
        const { body: text } = (await route(deps).handle(posted(path, body, token), {}, NO_RESPONSE)) as Content;
        return String(text);
      };
      for (const token of STRANGERS) {
        const taken = await send(token).catch((cause: unknown) =>
          cause instanceof Error && "code" in cause ? null : Promise.reject(cause as Error),
        );
        if (taken !== null || lines !== "" || heard.length > 0) return `${path} takes what somebody sends with ${token ?? "no token"}`;
      }
      const said = await send("sensor");
      if (said !== JSON.stringify(answer)) return `${path} answers ${said}`;
      if (heard.splice(0).join() !== "sensor") throw new Error(`${path}: the sensor was not heard`);
      const ids = lines
        .split("\n")
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { request_id: string }).request_id);
      if (path.startsWith("/logs") && ids.join() !== "e-0") return `${path} observes ${ids.join() || "nothing"}`;
    }
    return null;
  },
  without: {
    "the sensor's token": [cut.call("http/routes/opa_reports.js", "sentBy", "identity.authenticate", '{ id: "sensor" }')],
    "the sensor's scope": [cut.text("http/routes/opa_reports.js", "sentBy", '"remit:observe"', '"remit:decide"')],
    "what was permitted being recorded": [cut.call("http/routes/opa_reports.js", "decisionLogs", "observation.take", "undefined")],
    "what was denied being passed over": [cut.never("adapters/opa/decision_logs.js", "actionIn", "permits", "result")],
  },
});

threat("B12", "traces over gRPC are taken from sensors by their own token, and kept of nobody else", {
  async check(tree) {
    const { otlpGrpc } = await tree("http/otlp_grpc.js");
    const taken: string[] = [];
    const deps = {
      ...{ identity, timers: system.timers, newId: () => "new" },
      otlp: {
        body_bytes_max: 65_536,
        reports: {
          traces: (_: unknown, { id }: { id: string }) => (taken.push(id), Promise.resolve({ answer: {}, rejected: [] })),
          check: () => (taken.push("checked"), Promise.resolve()),
        },
      },
      observing: { admit: (observe: () => Promise<unknown>) => observe() },
      sensors: { heard: () => undefined },
      metrics: { observed: () => undefined, spans: () => undefined, problem: () => undefined },
      records: { refused: () => undefined },
      logger: { warn: () => undefined, error: () => undefined },
    } as unknown as HttpDeps;
    const door = await otlpGrpc(deps, { message_bytes_max: 65_536, connections_max: 10, calls_max: 10, idle_ms: 60_000 });
    const { port } = await door.listen("127.0.0.1", 0);
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    const code = (signal: string, token: string | null): Promise<number> =>
      new Promise((resolve) => {
        const metadata = new Metadata();
        if (token !== null) metadata.set("authorization", `Bearer ${token}`);
        const name = `${signal[0]?.toUpperCase() ?? ""}${signal.slice(1)}Service`;
        const path = `/opentelemetry.proto.collector.${signal}.v1.${name}/Export`;
        const same = (bytes: Buffer): Buffer => bytes;
        client.makeUnaryRequest(path, same, same, Buffer.of(), metadata, (error: ServiceError | null) => {
          resolve(error?.code ?? 0);
        });
      });
    try {
      for (const signal of ["trace", "logs", "metrics"]) {
        for (const token of STRANGERS)
          if ((await code(signal, token)) === 0 || taken.length > 0) return `${signal} are taken with ${token ?? "no token"}`;
        if ((await code(signal, "sensor")) !== 0) throw new Error(`${signal} of a sensor are refused`);
        const by = taken.splice(0).join();
        if (by !== (signal === "trace" ? "sensor" : "checked")) return `${signal} are taken as ${by}'s`;
      }
      return null;
    } finally {
      client.close();
      await door.close(0);
    }
  },
  without: {
    "the sensor's token": [cut.value("http/routes/otlp.js", "takeSignals", "caller", '{ id: "sensor" }')],
    "the sensor's scope": [cut.text("http/routes/otlp.js", "takeSignals", '"remit:observe"', '"remit:decide"')],
    "its being the call's own token": [cut.text("http/otlp_grpc.js", "take", "authorizationIn(metadata)", '"Bearer sensor"')],
    "logs and metrics being thrown away": [cut.never("http/routes/otlp.js", "takeSignals", "signal", "traces")],
  },
});

const WITNESS = "witness.example/w1";
const CHECKPOINT = `log.example/pdp\n1\n${createHash("sha256").update("leaf").digest("base64")}\n`;
const witnessKey = (seed: number): Signer => readSigner(WITNESS, signerPemOf(Buffer.alloc(32, seed)));
/** The lines that a witness answers with. */
const linesOf = (text: string, signer: Signer): string => signNote(text, [signer]).slice(text.length + 1);

threat("F9", "a witness's cosignature is its own, of this very checkpoint, or it is none", {
  async check(tree) {
    const { Witness } = await tree("audit/log/witness.js");
    const note = signNote(CHECKPOINT, [signerOf("the log's key")]);
    const log = { checkpoint: () => Promise.resolve(note), consistency: () => Promise.resolve({ proof: [], checkpoint: note }) };
    const options = { name: "w1", key: witnessKey(1).verifier.vkey, interval_ms: 60_000, retry_ms: 1, retry_max_ms: 1 };
    const folder = mkdtempSync(join(tmpdir(), "remit-witness-"));
    /** The note that is kept, of a witness that gives this answer. */
    const keptOf = async (answer: string): Promise<string | null> => {
      let asked = 0;
      const exchange: Exchange = () => {
        if (++asked >= 2) witness.stop();
        return Promise.resolve({ status: 200, retry_after: null, headers: {}, body: Buffer.from(answer) });
      };
      const events = {
        failing: () => {
          witness.stop();
        },
        cosigning: () => undefined,
      };
      const witness: InstanceType<typeof Witness> = new Witness(options, log, folder, system, exchange, events);
      const running = witness.run();
      while (witness.note === null && !witness.failing) await new Promise(setImmediate);
      witness.stop();
      await running;
      return witness.note;
    };
    try {
      const answers: [what: string, answer: string][] = [
        ["another's signature under its name", linesOf(CHECKPOINT, witnessKey(2))],
        ["its signature of another checkpoint", linesOf(CHECKPOINT.replace("\n1\n", "\n2\n"), witnessKey(1))],
        ["nothing", ""],
        ["garbage", "\u2014 hello\n"],
      ];
      for (const [what, answer] of answers) if ((await keptOf(answer)) !== null) return `${what} is kept as its cosignature`;
      const good = await keptOf(linesOf(CHECKPOINT, witnessKey(1)));
      if (good === null) throw new Error("its own cosignature isn't kept");
      const file = join(folder, "witnesses", "w1");
      writeFileSync(file, readFileSync(file, "utf8").replace("\n1\n", "\n7\n"));
      const events = { failing: () => undefined, cosigning: () => undefined };
      const { size } = new Witness(options, log, folder, system, () => Promise.reject(new Error("unasked")), events);
      return size === 0 ? null : `a file that was altered is taken for a cosigned checkpoint of ${size} records`;
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  without: {
    "its signature being verified": [cut.call("audit/log/witness.js", "cosigned", "openNote", "undefined")],
    "its file being verified when it is read": [
      cut.text("audit/log/witness.js", "Witness.#readKept", "openNote(note, [this.#verifier])", "parseNote(note)"),
    ],
  },
});

/** A log in memory whose records are the same up to the third, and differ from there on by `what`. */
function historyOf(what: string, signer: Signer): (old: number, size: number) => string {
  const at = (level: number, index: number): Hash =>
    level === 0
      ? leafHash(Buffer.from(index < 3 ? `same ${index}` : `${what} ${index}`))
      : nodeHash(at(level - 1, 2 * index), at(level - 1, 2 * index + 1));
  return (old, size) => {
    const note = signNote(printCheckpoint({ origin: signer.verifier.name, size, root: rootAt(size, at) }), [signer]);
    const proof = old === 0 ? [] : consistencyProof(old, size, at);
    return `old ${old}\n${proof.map((hash) => `${toBase64(hash)}\n`).join("")}\n${note}`;
  };
}

threat("F11", "a witness cosigns one history of a log, and goes on with that after every start", {
  async check(tree) {
    const { Cosigner } = await tree("audit/log/cosigner.js");
    const signer = signerOf("the log's key");
    const [told, forked, pretended] = [
      historyOf("a", signer),
      historyOf("b", signer),
      historyOf("a", readSigner(signer.verifier.name, signerPemOf(Buffer.alloc(32, 9)))),
    ];
    const folder = mkdtempSync(join(tmpdir(), "remit-cosigner-"));
    const open = (): InstanceType<typeof Cosigner> => new Cosigner({ name: WITNESS, logs: [signer.verifier.vkey] }, folder, system.clock);
    const isCosigned = async (request: string, witness = open()): Promise<boolean> => (await witness.submit(request)).status === 200;
    try {
      if (!(await isCosigned(told(0, 5)))) throw new Error("the first checkpoint isn't cosigned");
      if (await isCosigned(forked(5, 8))) return "a history that forked at the fourth record is cosigned";
      if (await isCosigned(pretended(5, 8))) return "a checkpoint that the log hasn't signed is cosigned";
      if (await isCosigned(forked(0, 8))) return "after a start, a log that begins again is cosigned";
      const witness = open();
      const both = await Promise.allSettled([isCosigned(told(5, 8), witness), isCosigned(told(5, 7), witness)]);
      if (both.every((one) => one.status === "rejected" || one.value))
        return "two checkpoints at once are both taken, though neither goes on from the other";
      const [name = ""] = readdirSync(join(folder, "cosigned")).filter((file) => file.endsWith(".checkpoint"));
      writeFileSync(join(folder, "cosigned", name), told(0, 2).slice("old 0\n\n".length));
      const isAltered = await isCosigned(forked(2, 9)).catch(() => false);
      return isAltered ? "a file in place of what was cosigned has a fork cosigned" : null;
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  without: {
    "its being proven that the log goes on": [
      cut.text("audit/log/cosigner.js", "#cosign", "!isConsistent({ before, after: { size, root }, proof })", "false"),
    ],
    "the log's own signature": [cut.text("audit/log/cosigner.js", "submit", "openCheckpoint(note, ofLog, origin)", "readUnverified(note)")],
    "one submission after another": [cut.text("system/turns.js", "take", "(this.#last.get(key) ?? Promise.resolve()).then(act)", "act()")],
    "what was cosigned being on disk": [
      cut.text(
        "audit/log/cosigner.js",
        "#cosign",
        "await replaceFile(join(this.#folder, `${idOf(origin)}${EXTENSION}`), cosigned, 0o666);",
        "",
      ),
    ],
    "its file being verified when it is read": [
      cut.text("audit/log/cosigner.js", "constructor", "openNote(note, [this.#signer.verifier]);", ""),
    ],
  },
});

threat("A15", "a notice is of an agent that somebody has registered: names that a caller makes up are no findings", {
  async check(tree) {
    const { postNotice } = await tree("http/routes/notices.js");
    const noticed: string[] = [];
    const deps = {
      ...{ limits, timers: system.timers },
      identity: { ...identity, mayAskFor: () => true },
      facts: {
        agent: (id: string) => {
          if (id !== "a-1") throw new Problem("agent_not_found");
          return { id };
        },
      },
      notices: {
        note: ({ agent }: { agent: string }) => {
          noticed.push(agent);
          return Promise.resolve({ id: "n", finding: "F-n" });
        },
      },
    } as unknown as HttpDeps;
    for (const agent of ["a-1", ...Array.from({ length: 20 }, (_, i) => `made-up-${i}`)]) {
      const body = { code: "tool_changed", agent, purpose: "testing", server: "crm", tool: "get", changed: [] };
      await codeOf(() => postNotice(deps).handle(posted("/notices", body, "guard"), {}, NO_RESPONSE));
    }
    if (!noticed.includes("a-1")) throw new Error("no notice is taken");
    return noticed.length === 1 ? null : `${noticed.length - 1} of agents that there aren't`;
  },
  without: { "the agent of a notice being looked up": [cut.call("http/routes/notices.js", "postNotice", "facts.agent")] },
});

threat("B2", "a registrar learns of no id by asking: what isn't there is as what isn't its own", {
  async check(tree) {
    const { lookUp, checkMayMiss, checkMaySee } = await tree("http/rights.js");
    const mine = { agents: new Set(["a-1"]), purposes: new Set(["testing"]) };
    const deps = {
      identity: {
        rightsOf: () => mine,
        mayAskFor: (_caller: unknown, agent: string, purpose: string) => mine.agents.has(agent) && mine.purposes.has(purpose),
      },
    } as unknown as HttpDeps;
    const caller = { id: "registrar", scopes: new Set<string>(["remit:register"]) } as unknown as Caller;
    const told = (id: string, find: () => { purposes: string[] }): string => {
      try {
        const { purposes } = lookUp(deps, caller, id, find);
        checkMaySee(deps, caller, { agent: id, purposes });
        return "seen";
      } catch (cause) {
        return JSON.stringify(cause);
      }
    };
    if (told("a-1", () => ({ purposes: ["testing"] })) !== "seen") throw new Error("its own agent isn't shown");
    const theirs = told("a-2", () => ({ purposes: ["testing"] }));
    const nobodys = told("a-2", () => {
      throw new Problem("agent_not_found");
    });
    if (theirs !== nobodys) return `${theirs}, and of one that isn't there ${nobodys}`;
    const holder = await codeOf(() => {
      checkMayMiss(deps, caller, null);
    });
    return holder === "agent_not_permitted" ? null : `a grant to what isn't there: ${holder}`;
  },
  without: {
    "what is missing being told as what is others'": [cut.call("http/rights.js", "lookUp", "checkMayMiss")],
    "a registrar's sight being looked at": [cut.never("http/rights.js", "checkMayMiss", "purposes", "agents")],
  },
});

threat("A10", "changes of a resource that a client has subscribed to are passed on only while reading it is permitted", {
  async check(tree) {
    const { Subscriptions } = await tree("guards/mcp/subscriptions.js");
    const timers = new StillTimers();
    let permits = true;
    const told: string[] = [];
    const passed = (): number => told.filter((one) => one === "change").length;
    const subscriptions = new Subscriptions({
      timers,
      decide: () => (permits ? Promise.resolve() : Promise.reject(new CallRefusal("denied"))),
      pass: () => told.push("change"),
      ended: () => told.push("end"),
    });
    const change = { jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri: "crm://ada" } } as const;
    const changes = async (): Promise<void> => {
      subscriptions.changed("crm://ada", change);
      await turns();
      await timers.advance(1000);
    };
    subscriptions.add("crm://ada");
    await changes();
    if (passed() !== 1) throw new Error("no change is passed on");
    permits = false;
    await changes();
    if (passed() > 1) return "a change after a revocation";
    permits = true;
    await changes();
    return passed() > 1 || !told.includes("end") ? "a change after the subscription had to end" : null;
  },
  without: {
    "each change being decided": [cut.call("guards/mcp/subscriptions.js", "Subscriptions.#decide", "decide")],
    "the subscription's end": [cut.text("guards/mcp/subscriptions.js", "Subscriptions.#decide", "this.#all.delete(uri)", "undefined")],
  },
});

threat("A13", "a parameter of a query is named by its row, and there once, or the request is refused", {
  async check(tree) {
    const { HttpTable } = await tree("guards/http_table.js");
    const routes = [{ on: "GET /notes/:id", verb: "read", type: "note", id: "id", query: ["page"] }];
    const table = new HttpTable<null>({ routes, who: () => ({ agent: "a-1", purpose: "testing" }) });
    const isTaken = (target: string): Promise<boolean> =>
      table.actionOf(null, { method: "GET", target, header: () => undefined }).then(
        () => true,
        () => false,
      );
    for (const good of ["/notes/n-1", "/notes/n-1?page=2"]) if (!(await isTaken(good))) throw new Error(`${good} is refused`);
    for (const bad of ["/notes/n-1?expand=owner", "/notes/n-1?page=1&page=2"]) if (await isTaken(bad)) return bad;
    return null;
  },
  without: {
    "parameters being named": [cut.text("guards/http_table.js", "isNamed", "query.includes(name)", "true")],
    "each parameter once": [cut.text("guards/http_table.js", "isNamed", "parameters.indexOf(name) === i", "true")],
  },
});
