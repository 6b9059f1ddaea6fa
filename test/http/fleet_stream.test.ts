import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { Findings } from "../../src/findings/findings.js";
import { EVERYTHING_IN_SIGHT, type Sight } from "../../src/facts/reach.js";
import { answering } from "../../src/http/asked_nodes.js";
import { FleetStream, nodePlacesText, readNodePlaces, type FollowedFleet, type NodePlaces } from "../../src/http/fleet_stream.js";
import { FOLLOW, StreamQuestions } from "../../src/http/stream_questions.js";
import type { MatchedPage } from "../../src/records/search.js";
import { sleep, system } from "../../src/system/index.js";
import { NOW, flag, seen, sighted } from "../findings/sightings.js";
import { Follower, type Seen } from "./following.js";
import { NodeNet } from "./node_net.js";

/** Milliseconds in which something comes about on a machine that is busy with other things. */
const PATIENCE_MS = 30_000;

/** Records and findings of one node. */
class Log {
  readonly findings: Findings;
  durable = 0;
  readonly #followers = new Set<() => void>();
  readonly #told = new Set<Parameters<Parameters<Findings["start"]>[0]["follow"]>[2]>();

  constructor(
    readonly name: string,
    net: NodeNet,
  ) {
    const log = (): Log => this;
    this.findings = new Findings({ revision: 0, finding: () => undefined }, { kept_max: 100, wait_ms: 0 }, system.timers);
    const index = {
      get durable() {
        return log().durable;
      },
      hurry: () => undefined,
    };
    this.findings.start(
      Object.assign(index, {
        follow: (_filter: unknown, _after: number, tell: never) => {
          this.#told.add(tell);
          return { goOn: () => undefined, stop: () => undefined };
        },
      }),
      0,
    );
    const search = {
      ...{ hurry: index.hurry },
      get durable() {
        return log().durable;
      },
      follow: (_filter: unknown, after: number, tell: (page: MatchedPage) => void) => {
        const look = (): void => {
          const seqs = Array.from({ length: log().durable - after }, (_, i) => after + i + 1).slice(0, 2);
          if (seqs.length > 0) tell({ items: seqs.map((seq) => `{"seq":${seq}}`), seqs, to: seqs.at(-1) ?? after });
        };
        this.#followers.add(look);
        setImmediate(look);
        return { after, goOn: () => undefined, stop: () => this.#followers.delete(look) };
      },
    };
    const questions = new StreamQuestions({ node: name, search, findings: this.findings, timers: system.timers });
    this.answer = (question) => questions.answer(question);
    net.serve(
      name,
      answering({ [FOLLOW]: this.answer }, () => expect.fail("another question")),
    );
  }

  readonly answer: (question: string) => Promise<string>;

  put(records = 1): void {
    this.durable += records;
    for (const look of [...this.#followers]) look();
  }

  /** Opens a finding. @returns its id */
  open(agent = "a-1", time_ms = system.clock.wall()): string {
    const one = sighted({ agent, time_ms, reasons: [flag("odd", "high")] });
    const id = `F-${one.decision_id}`;
    const items = [JSON.stringify(seen(one, id, ++this.durable))];
    for (const tell of this.#told) tell({ items, to: this.durable });
    return id;
  }
}

describe("a stream of all nodes of a cluster", () => {
  let net: NodeNet;
  let logs: Record<"a" | "b" | "c", Log>;
  let server: Server;
  let sight: Sight;
  /** Findings of which the whole wasn't asked for. */
  let leftOut: string[];
  const wholeNews: FollowedFleet["wholeNews"] = (news, { severity }) => {
    if (severity === undefined) return Promise.resolve([...news]);
    leftOut.push(...news.map(({ finding }) => finding.id));
    return Promise.resolve([]);
  };

  beforeEach(async () => {
    leftOut = [];
    net = new NodeNet("a", "b", "c");
    logs = { a: new Log("a", net), b: new Log("b", net), c: new Log("c", net) };
    sight = EVERYTHING_IN_SIGHT;
    server = createServer((request, response) => {
      const { url = "", headers } = request;
      const given = headers["last-event-id"];
      const stream = new FleetStream(
        response,
        {
          fleet: { nodes: net.of("a"), own: logs.a.answer, wholeNews },
          findings: url.startsWith("/decisions/") ? null : url.endsWith("severity=low") ? { severity: "low" } : {},
          ...{ url, sight },
          after: typeof given === "string" ? readNodePlaces(given) : null,
          caller: { id: "ada", token: { jti: null, expires_ms: Infinity } },
          authenticate: () => Promise.resolve(),
        },
        { system, heartbeat_ms: 100 },
        1000,
        () => undefined,
      );
      response.writeHead(200, { "content-type": "text/event-stream" });
      stream.begin();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    for (const { findings } of Object.values(logs)) findings.stop();
  });

  const follow = async (path: string, after?: NodePlaces): Promise<Follower> => {
    const { port } = server.address() as AddressInfo;
    const follower = await Follower.follow({ port }, { path, ...(after !== undefined && { lastEventId: nodePlacesText(after) }) });
    await until(() => follower.events.some(({ event }) => event === "ready"), "it is ready");
    return follower;
  };
  const until = async (holds: () => boolean, what: string): Promise<void> => {
    const began = performance.now();
    while (!holds()) {
      if (performance.now() - began > PATIENCE_MS) throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
      await sleep(5);
    }
  };
  const named = ({ events }: Follower, name: string): Seen["data"][] =>
    events.filter(({ event }) => event === name).map(({ data }) => data);
  const records = (follower: Follower): string[] =>
    named(follower, "record").map((data) => `${String(data["node"])} ${String(data["seq"])}`);
  const ids = (follower: Follower): unknown[] => named(follower, "finding").map(({ finding }) => (finding as { id: string }).id);

  it("sends what comes on each, from now on, with its node", async () => {
    logs.b.put(3);
    const follower = await follow("/decisions/stream");
    for (const log of Object.values(logs)) log.put(2);
    await until(() => records(follower).length === 6, "all have come");
    expect(records(follower).sort()).to.deep.equal(["a 1", "a 2", "b 4", "b 5", "c 1", "c 2"]);
    expect(named(follower, "nodes")).to.deep.equal([]);
  });

  it("goes on where it was, with nothing missed and nothing twice, whichever event was the last", async () => {
    const first = await follow("/decisions/stream");
    for (const log of Object.values(logs)) log.put(3);
    await until(() => records(first).length === 9, "all have come");
    const sent = [...first.text.matchAll(/^id: (\S+)\nevent: record$/gm)].map(([, id = ""]) => id);
    expect(sent).to.have.lengthOf(9);
    for (const [i, id] of sent.entries()) {
      const again = await follow("/decisions/stream", readNodePlaces(id) ?? {});
      await until(() => records(again).length >= 8 - i, "the others have come");
      expect([...records(first).slice(0, i + 1), ...records(again)].sort()).to.deep.equal(records(first).sort());
    }
  });

  it("names a node that doesn't answer, and sends what it has once it does", async () => {
    net.silent.add("c");
    const follower = await follow("/decisions/stream", { c: "0" });
    await until(() => named(follower, "nodes").length > 0, "it is named");
    expect(named(follower, "nodes")[0]).to.deep.equal({ missing: ["c"] });
    logs.c.put(3);
    logs.b.put();
    await until(() => records(follower).includes("b 1"), "the others go on");
    expect(records(follower)).to.not.include("c 1");
    net.silent.clear();
    await until(() => records(follower).length === 4, "what it has comes");
    expect(named(follower, "nodes").at(-1)).to.deep.equal({ missing: [] });
  });

  it("names a node that isn't live any more, and follows one that is new", async () => {
    net.live.pop();
    const follower = await follow("/decisions/stream", { c: "0" });
    await until(() => named(follower, "nodes").length > 0, "it is named");
    expect(named(follower, "nodes")[0]).to.deep.equal({ missing: ["c"] });
    net.live.push("c");
    logs.c.put(2);
    await until(() => records(follower).length === 2, "what it has comes");
  });

  it("sends what a node has that is noticed late, from when the stream began", async () => {
    net.live.pop();
    logs.c.open("a-1", NOW);
    const follower = await follow("/findings/stream");
    const id = logs.c.open();
    net.live.push("c");
    await until(() => ids(follower).length > 0, "it comes");
    expect(ids(follower)).to.deep.equal([id]);
  });

  it("says where a log ends before the place to go on after", async () => {
    logs.b.put(2);
    const follower = await follow("/decisions/stream", { a: "0", b: "7", c: "0" });
    await until(() => named(follower, "reset").length > 0, "it is reset");
    logs.b.put();
    await until(() => records(follower).length > 0, "it goes on from the end");
    expect(records(follower)).to.deep.equal(["b 3"]);
  });

  it("sends findings of all nodes that the caller may know of, each once", async () => {
    sight = { agents: new Set(["a-1"]), purposes: null };
    const first = await follow("/findings/stream");
    const opened = [logs.b.open(), logs.c.open()];
    logs.a.open("a-2");
    await until(() => ids(first).length === 2, "they have come");
    expect(ids(first).sort()).to.deep.equal(opened.sort());
    const again = await follow("/findings/stream", readNodePlaces(first.lastId ?? "") ?? {});
    const last = logs.b.open();
    await until(() => ids(again).length > 0, "the next has come");
    expect(ids(again)).to.deep.equal([last]);
  });

  it("sends no part whose whole isn't asked for", async () => {
    const [all, none] = [await follow("/findings/stream"), await follow("/findings/stream?severity=low")];
    const id = logs.b.open();
    await until(() => ids(all).length > 0 && leftOut.length > 0, "both are looked at");
    expect([ids(all), ids(none), leftOut]).to.deep.equal([[id], [], [id]]);
  });

  it("is told of parts by what their whole may be, and of none that somebody has judged otherwise", async () => {
    const [reviewed, judged] = [await follow("/findings/stream?state=in_review"), await follow("/findings/stream?state=misuse")];
    const id = logs.b.open();
    await until(() => ids(reviewed).length > 0, "it comes: another part may be looked into");
    expect(ids(reviewed)).to.deep.equal([id]);
    expect(ids(judged)).to.deep.equal([]);
  });

  for (const text of ["", "m", "4711", "4711-58", "m!", "mbm9wZQ", ...[[], null, { a: 1 }, { a: "x" }, { a: "-1" }].map(placed)])
    it(`goes on after no id that is none: ${text}`, () => {
      expect(readNodePlaces(text)).to.equal(null);
    });

  for (const [what, question] of Object.entries({
    "no object": "null",
    "no JSON": "{",
    "another stream": JSON.stringify({ url: "/agents", after: null, since: null, sight: { agents: null, purposes: null } }),
    "no sight": JSON.stringify({ url: "/findings/stream", after: null, since: null }),
    "a parameter that is none": JSON.stringify({
      url: "/findings/stream?x=1",
      after: null,
      since: null,
      sight: { agents: null, purposes: null },
    }),
    "a place that is none": JSON.stringify({ url: "/decisions/stream", after: "-1", since: null, sight: { agents: null, purposes: null } }),
  }))
    it(`isn't begun by a question of another version: ${what}`, async () => {
      const { answers } = await net.of("a").ask(FOLLOW + question, ["b"]);
      expect(answers.size).to.equal(0);
    });
});

function placed(value: unknown): string {
  return `m${Buffer.from(JSON.stringify(value)).toString("base64url")}`;
}
