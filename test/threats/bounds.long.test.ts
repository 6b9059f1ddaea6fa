/** Every bound that a service declares, flooded by one caller while another measures. */
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { expect } from "chai";
import { flag } from "../findings/sightings.js";
import { NAME } from "../bundle/support.js";
import { Receiver } from "./handed_in.js";
import { wholeTree } from "./threat.js";
import { MONDAY, act, shift, work } from "../behavior/desk.js";
import { BehaviorProfile } from "../../src/behavior/profile.js";
import { Findings } from "../../src/findings/findings.js";
import { HeldActions } from "../../src/findings/held_actions.js";
import { Flow, type FlowOptions } from "../../src/flow/flow.js";
import { returnedOf } from "../../src/flow/index.js";
import type { Limit, PolicyInput, Purpose } from "../../src/contract/index.js";
import { StillTimers } from "../facts/world.js";
import { seen, sighted } from "../findings/sightings.js";
import { Incidents } from "../../src/findings/incidents.js";
import { ask, runWithFacts } from "../http/asking.js";
import { ALL, tokenFor, type Running } from "../http/running.js";

/** As small as can be shared, so that a flood is short. */
const PLACES = 4;
const SECTIONS = {
  limits: { decisions_max: 2 * PLACES, decisions_per_caller_max: PLACES, connections_max: 64 },
  events: { subscribers_max: PLACES },
  findings: { followers_max: PLACES },
  log: { index: { followers_max: PLACES } },
  observe: { streams_max: PLACES },
  bundle: {
    name: NAME,
    path: "bundle.tar.gz",
    keys: ["bundle.pem"],
    state_dir: "state",
    poll_ms: 50,
    waiters_max: PLACES,
    waiters_per_token_max: PLACES,
  },
};

const HOSTILE = "hostile-1";
const OTHER = "gateway-1";

/** Tasks of agents that read mail, as often as a limit lets them. */
class TaskDesk {
  readonly flow: Flow;
  #n = 0;
  constructor(options: FlowOptions) {
    this.flow = new Flow(options);
  }

  ask(agent: string, id: string) {
    const request = {
      agent,
      purpose: "support",
      verb: "read",
      resource: { type: "mail", id: null, attributes: {} },
      arguments: {},
      related: {},
    };
    const often: Limit = { code: "often", of: { read: ["mail"] }, measure: "count", max: 5, per: "task" };
    return this.flow.ask({
      vocabulary: { verbs: {}, task: { subjects: [], attributes: {} }, agent: { attributes: {} }, types: {} },
      purpose: { limits: [often] } as unknown as Purpose,
      request: request as unknown as PolicyInput["request"],
      root: { id, agent, attributes: {} },
      agent: { owner: "o", attributes: {} },
      now_ms: MONDAY,
    });
  }

  /** @returns the decision */
  permits(agent: string, task: string): string {
    const { note } = this.ask(agent, task);
    const decision = `d-${++this.#n}`;
    if (note !== null) this.flow.permitted(decision, note);
    return decision;
  }
}

describe("every bound that is shared", function () {
  let service: Running;
  const sockets: Socket[] = [];
  before(async () => {
    service = await runWithFacts(SECTIONS);
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  after(() => service.stop());

  /** Sends a request, or as much of one as is given, and waits for the head of its answer; an empty head: it was closed. */
  async function open(head: string, caller: string, scope: string, body = ""): Promise<string> {
    const socket = connect(service.port, "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => undefined);
    const token = tokenFor(scope, caller);
    socket.write(`${head} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n${body}\r\n`);
    const [text] = (await Promise.race([once(socket, "data"), once(socket, "close").then(() => [""])])) as [Buffer | string];
    return text.toString().split("\r\n")[0] ?? "";
  }

  async function streams(path: string, scope: string): Promise<void> {
    const flood = await Promise.all(Array.from({ length: 3 * PLACES }, () => open(`GET ${path}`, HOSTILE, scope)));
    expect(flood.filter((status) => status.includes("200"))).to.have.lengthOf(PLACES);
    for (let i = 0; i < PLACES / 2; i++) expect(await open(`GET ${path}`, OTHER, scope)).to.include("200");
  }

  /** A body that goes on coming for as long as the connection lasts. */
  function dripping(path: string, type: string, caller: string, scope: string): Promise<string> {
    return Promise.race([
      open(`POST ${path}`, caller, scope, `content-type: ${type}\r\ntransfer-encoding: chunked\r\n`),
      new Promise<string>((resolve) => setTimeout(resolve, 300, "goes on")),
    ]);
  }

  /** By the bound's name: floods it as one caller, and expects that another finds what it had or needs. */
  const floods: Record<string, () => Promise<void>> = {
    "limits.decisions_max": async () => {
      const batch = {
        actions: Array.from({ length: 30 }, () => ({
          agent: "a-1",
          purpose: "testing",
          verb: "read",
          resource: { type: "note", id: "n" },
        })),
      };
      const flood = Array.from({ length: 20 }, () =>
        ask(service, "POST", "/decide/batch", { body: batch, token: tokenFor("remit:decide", HOSTILE) }),
      );
      const { status } = await ask(service, "POST", "/decide", { body: batch.actions[0] ?? {}, token: tokenFor("remit:decide", OTHER) });
      expect(status).to.equal(200);
      await Promise.all(flood);
    },
    "limits.connections_max": async () => {
      for (let i = 0; i < 3 * 64; i++) {
        const socket = connect(service.port, "127.0.0.1");
        sockets.push(socket);
        socket.on("error", () => undefined);
        await once(socket, "connect");
      }
      expect(await open("GET /agents", OTHER, "remit:audit")).to.include("200");
    },
    "events.subscribers_max": () => streams("/events", "remit:decide"),
    "log.index.followers_max": () => streams("/decisions/stream", "remit:audit"),
    "findings.followers_max": () => streams("/findings/stream", "remit:review"),
    "bundle.waiters_max": async () => {
      const { headers } = await fetch(`${service.url}/bundles/${NAME}`, { headers: { authorization: `Bearer ${ALL}` } });
      const waits = `if-none-match: ${headers.get("etag") ?? '""'}\r\nprefer: wait=20\r\n`;
      const ends = (caller: string): Promise<string> =>
        Promise.race([
          open(`GET /bundles/${NAME}`, caller, "remit:bundle", waits),
          new Promise<string>((resolve) => setTimeout(resolve, 300, "waits")),
        ]);
      await Promise.all(Array.from({ length: PLACES }, () => ends(HOSTILE)));
      expect(await ends(OTHER)).to.equal("waits");
    },
    "observe.streams_max": async () => {
      const type = "application/x-ndjson";
      const flood = Array.from({ length: 3 * PLACES }, () => dripping("/observe", type, HOSTILE, "remit:observe"));
      expect((await Promise.all(flood)).filter((one) => one === "goes on").length).to.be.at.least(PLACES / 2);
      expect(await dripping("/observe", type, OTHER, "remit:observe")).to.equal("goes on");
    },
    "records handed in at once": async () => {
      const body = { origin: "engine", records: [{ record: {} }] };
      const hand = (caller: string) => ask(service, "POST", "/records", { body, token: tokenFor("remit:embed", caller) });
      const flood = Array.from({ length: 50 }, () => hand(HOSTILE));
      expect((await hand(OTHER)).status).to.equal(200);
      await Promise.all(flood);
      // What one engine's caller hands in is grouped as well.
      const receiver = await Receiver.open(wholeTree(), new Set(["a-2"]));
      await receiver.take(Array.from({ length: 500 }, (_, i) => ({ agent: "a-2", reasons: [flag(`code_${i}`)] })));
      expect(receiver.findings.size).to.be.below(20);
    },
    "findings.kept_max": async () => {
      const findings = new Findings({ revision: 0, finding: () => undefined }, { kept_max: 100, wait_ms: 0 }, new StillTimers());
      const incidents = new Incidents();
      let seq = 0;
      const put = (agent: string): string => {
        const one = sighted({ agent, time_ms: MONDAY + ++seq * 3_600_000, reasons: [flag("noticed")] });
        const id = incidents.place(one) ?? "";
        findings.take(seen(one, id, seq));
        return id;
      };
      const [first] = [put("a-1")];
      for (let i = 0; i < 1000; i++) put("a-2");
      expect(findings.at(first)).not.to.equal(null);
      return Promise.resolve();
    },
    "actions that wait": async () => {
      const held = new HeldActions(100);
      const waits = (agent: string, decision_id: string): void => {
        const wait = { for: "approval", until: "", approval_digest: "sha256:masked" } as const;
        held.settled(agent, { decision_id, action_digest: "masked", wait }, []);
      };
      waits("a-1", "d-1");
      for (let i = 0; i < 1000; i++) waits("a-2", `flood-${i}`);
      const masked = { action_digest: "masked", approval_digest: "masked", principals: null };
      expect(held.of({ decision_id: "d-1", ...masked })).not.to.equal(null);
      return Promise.resolve();
    },
    "behavior.agents_max": async () => {
      const profile = new BehaviorProfile({ agents_max: 50 });
      work(profile, shift({ agent: "worker", days: 3 }));
      for (let i = 0; i < 500; i++) work(profile, [act({ agent: `new-${i}`, time_ms: MONDAY + i })]);
      expect(profile.portrait("worker")).not.to.equal(null);
      return Promise.resolve();
    },
    "answers awaited": async () => {
      const desk = new TaskDesk({ awaited_max: 20 });
      const read = desk.permits("a-1", "t-1");
      for (let i = 0; i < 500; i++) desk.permits("a-2", `flood-${i % 9}`);
      expect(desk.flow.returned(read, returnedOf("done"))).not.to.equal(null);
      return Promise.resolve();
    },
    "values remembered of tasks": async () => {
      const desk = new TaskDesk({ seen: { values_max: 100, total_max: 200 } });
      desk.permits("a-1", "t-1");
      for (let i = 0; i < 1000; i++) desk.permits("a-2", `flood-${i}`);
      expect(desk.ask("a-1", "t-1").facts.complete).to.equal(true);
      return Promise.resolve();
    },
    "counters of limits": async () => {
      const desk = new TaskDesk({ counts: { counters_max: 1000, agent_counters_max: 50, entries_max: 10 } });
      for (let i = 0; i < 2000; i++) desk.permits("a-2", `flood-${i}`);
      expect(desk.ask("a-1", "t-1").facts.limits["often"]).to.deep.equal({ used: 0, adds: 1, max: 5 });
      return Promise.resolve();
    },
  };

  it("has a flood, and is metered", async () => {
    const text = await (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${tokenFor("remit:audit")}` } })).text();
    const named = (metric: string): string[] =>
      [...text.matchAll(new RegExp(`^${metric}\\{bound="([^"]+)"\\}`, "gm"))].map(([, name = ""]) => name).sort();
    expect(named("remit_bound_max")).to.deep.equal(Object.keys(floods).sort());
    expect(named("remit_bound_used")).to.deep.equal(named("remit_bound_max"));
  });

  for (const [name, flood] of Object.entries(floods))
    it(`leaves others what they need while one caller takes all it can of ${name}`, flood);
});
