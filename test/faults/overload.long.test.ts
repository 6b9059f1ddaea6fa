import { expect } from "chai";
import { post, run, type Running, codeOf, raw, requestText, REQUEST, type RawAnswer } from "../http/running.js";
import { action, decisionRecords, faultsBundle } from "./support.js";
import { IN_FLIGHT } from "./overload_support.js";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { system } from "../../src/system/index.js";

const ASKED = 400;

describe("more requests than may be decided at once", () => {
  let service: Running;
  before(async () => {
    service = await run({ limits: { decisions_max: IN_FLIGHT } }, await faultsBundle());
  });
  after(() => service.stop());

  it("are refused with 503 and when to come back; what was accepted is decided and recorded, the rest isn't", async () => {
    const counts = new Map<string, number>();
    const send = async (id: string, more: object = {}): Promise<void> => {
      const answer = await post(service, "/decide", { ...action(id), ...more });
      const { decision, code } = (await answer.json()) as Record<string, unknown>;
      const outcome =
        answer.status === 200 ? `200 ${String(decision)}` : `${answer.status} ${String(code)} ${String(answer.headers.get("retry-after"))}`;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    };
    await Promise.all(Array.from({ length: ASKED }, (_, i) => send(`n-${i}`)));
    // On a machine so slow that no two of them met, some wait in all the places until others are refused.
    for (let i = 0; !counts.has("503 overloaded 1"); i++) {
      const waiting = Array.from({ length: IN_FLIGHT }, () => send(`w-${i}`, { at_least: 1_000_000_000 }));
      await Promise.all([...waiting, ...Array.from({ length: IN_FLIGHT }, () => send(`m-${i}`))]);
      counts.delete("503 facts_behind 1");
    }
    expect([...counts.keys()].sort()).to.deep.equal(["200 allow", "503 overloaded 1"]);
    const accepted = counts.get("200 allow") ?? 0;
    expect(accepted).to.be.at.least(IN_FLIGHT);

    expect((await post(service, "/decide", action(`n-${ASKED}`))).status).to.equal(200);
    await service.stopKeeping();
    expect(decisionRecords(service.folder)).to.have.length(accepted + 1);
  });
});

describe("a request that there is no room for", () => {
  const TRIES = 10;
  let service: Running;
  before(async () => {
    service = await run({ limits: { decisions_max: 1 } }, await faultsBundle());
  });
  after(() => service.stop());

  /** What is answered on a connection while another decision takes all the room. */
  async function refused(id: string, text: string, answers?: number): Promise<RawAnswer[]> {
    for (let tries = 0; tries < TRIES; tries++) {
      // It waits for facts that don't come.
      const waiting = post(service, "/decide", { ...action(`${id}-${tries}`), at_least: 1_000_000_000 });
      const found = await raw(service.port, text, answers);
      const { code } = (await (await waiting).json()) as { code?: string };
      // Either may have come before the other.
      if (code === "facts_behind" && found[0]?.status !== 200) return found;
    }
    throw new Error("there was room all the time");
  }

  it("is refused, and so is the next one on its connection, which stays open", async () => {
    const text = requestText(service.port, JSON.stringify(action("n-1")));
    const answers = await refused("r-1", text + text, 2);
    expect(answers.map((answer) => `${answer.status} ${codeOf(answer)}`)).to.deep.equal(["503 overloaded", "503 overloaded"]);
    for (const { headers } of answers) {
      expect(headers).to.match(/retry-after: 1/i);
      expect(headers).not.to.match(/connection: close/i);
    }
  });

  it("is refused without its body, and its connection is closed where that has not come", async () => {
    const body = JSON.stringify(action("n-1"));
    const [answer, ...others] = await refused("r-2", requestText(service.port, body).slice(0, -9));
    expect([answer?.status, others]).to.deep.equal([503, []]);
    expect(answer?.headers).to.match(/connection: close/i);
  });

  it("is decided when there is room again", async () => {
    expect((await post(service, "/decide", action("n-1"))).status).to.equal(200);
  });
});

describe("connections that are slow or idle", () => {
  const SOCKETS = 200;
  const sockets: Socket[] = [];
  let service: Running;
  /** Starts a service whose requests have to come within so many milliseconds. */
  async function begin(ms: number): Promise<void> {
    service = await run({
      limits: { decisions_max: IN_FLIGHT, connections_max: SOCKETS + 20, headers_ms: ms, body_ms: ms },
    });
  }
  beforeEach(() => begin(400));
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await service.stop();
  });

  /** Opens connections that say `text` and no more. */
  async function open(count: number, text: string): Promise<Socket[]> {
    const opened = await Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connect(service.port, "127.0.0.1").on("error", () => undefined);
        sockets.push(socket);
        await once(socket, "connect");
        socket.write(text);
        return socket;
      }),
    );
    return opened;
  }

  /** Other than `once`, whatever error comes before. */
  function closed(socket: Socket): Promise<void> {
    return new Promise((resolve) => {
      socket.once("close", () => {
        resolve();
      });
    });
  }

  /** What a connection is told until it is closed. */
  async function told(socket: Socket): Promise<string> {
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    await closed(socket);
    return /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? text;
  }

  const good = JSON.stringify(REQUEST);
  const kinds: [what: string, text: (port: number) => string][] = [
    ["that send half of their headers", () => "POST /decide HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "],
    ["that send half of their body", (port) => requestText(port, good.slice(0, 9), [`Content-Length: ${good.length}`])],
  ];
  for (const [what, text] of kinds) {
    it(`keep nobody else from a decision, and are ended in time: ${SOCKETS} ${what}`, async () => {
      const slow = await open(SOCKETS, text(service.port));
      const ends = slow.map(told);
      for (let i = 0; i < 20; i++) expect((await post(service, "/decide", REQUEST)).status).to.equal(200);
      expect(new Set(await Promise.all(ends))).to.deep.equal(new Set(["408"]));
      expect((await post(service, "/decide", REQUEST)).status).to.equal(200);
    });
  }

  it("are ended in time where they drip: no byte in between gives them more", async () => {
    const slow = await open(40, "POST /decide HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ");
    const stop = system.timers.every(20, () => {
      for (const socket of slow) if (socket.writable) socket.write("x");
    });
    const ends = await Promise.all(slow.map(told));
    stop();
    // Some write into a connection that is closed already, and are reset before they read why.
    expect(ends.filter((end) => end !== "408" && end !== "")).to.deep.equal([]);
  });

  it("give up their places, the one that is idle longest first, to those that ask", async () => {
    // None may be ended for being slow, however long it takes to open them all.
    await service.stop();
    await begin(60_000);
    let gone = 0;
    for (const socket of await open(SOCKETS, "")) socket.once("close", () => gone++);
    const beyond = await open(40, "");
    const state = await Promise.all(
      beyond.map(async (socket) => {
        const served = new Promise((resolve) => socket.once("data", resolve)).then(() => "served");
        socket.write(requestText(service.port, good));
        return await Promise.race([closed(socket).then(() => "closed"), served]);
      }),
    );
    expect(state.filter((outcome) => outcome !== "served")).to.deep.equal([]);
    expect(gone).to.be.within(20, 40);
    for (const socket of sockets.splice(0)) socket.destroy();
  });
});
