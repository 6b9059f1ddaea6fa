import { expect } from "chai";
import { connect } from "node:net";
import { once } from "node:events";
import { REQUEST, codeOf, post, raw, requestText, run, type RawAnswer, type Running } from "./running.js";
import { BAD_REQUESTS } from "./bad_requests.js";

const good = JSON.stringify(REQUEST);
const LIMITS = { body_bytes_max: 1024, header_bytes_max: 4096 };
let service: Running;
const seen: RawAnswer[] = [];

async function send(text: string | string[], answers = 1, { port } = service): Promise<RawAnswer[]> {
  const found = await raw(port, text, answers);
  seen.push(...found);
  return found;
}

describe("hostile HTTP", () => {
  before(async () => {
    service = await run({ limits: { ...LIMITS, body_ms: 60_000, headers_ms: 60_000 } });
  });
  after(() => service.stop());

  it("stands beside a request that is answered", async () => {
    const [answer] = await send(requestText(service.port, good));
    expect(answer?.status).to.equal(200);
    expect(JSON.parse(answer?.body ?? "")).to.include({ decision: "allow", proceed: true });
  });

  const types = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    'Application/JSON; charset="utf-8"',
  ];
  for (const type of types) {
    it(`takes the content type ${type}`, async () => {
      const [answer] = await send(requestText(service.port, good, [`Content-Type: ${type}`]));
      expect(answer?.status).to.equal(200);
    });
  }

  for (const [what, status, code, text] of BAD_REQUESTS) {
    it(`is refused with ${status} ${code}: ${what}`, async () => {
      const [answer, ...others] = await send(text(service.port));
      expect(answer === undefined ? "no answer" : `${answer.status} ${codeOf(answer)}`).to.equal(`${status} ${code}`);
      expect(answer?.headers).to.contain("application/problem+json");
      expect(others).to.deep.equal([]);
    });
  }

  it("takes a body of exactly the limit", async () => {
    const [answer] = await send(requestText(service.port, good + " ".repeat(1024 - good.length)));
    expect(answer?.status).to.equal(200);
  });

  it("answers a body that is too large before it has come, takes the rest and closes", async () => {
    const answers = await send(
      [requestText(service.port, " ".repeat(64), ["Content-Length: 100000"]), ...Array<string>(20).fill(" ".repeat(1000))],
      Infinity,
    );
    expect(answers.map((answer) => `${answer.status} ${codeOf(answer)}`)).to.deep.equal(["413 body_too_large"]);
    expect(answers[0]?.headers).to.contain("connection: close");
  });

  describe("that does not come", () => {
    let impatient: Running;
    before(async () => {
      impatient = await run({ limits: { ...LIMITS, body_ms: 200, headers_ms: 300 } });
    });
    after(() => impatient.stop());

    it("ends: a body", async () => {
      const text = requestText(impatient.port, "", ["Content-Length: 100"]);
      const [answer] = await send([text, "{"], Infinity, impatient);
      expect(answer && codeOf(answer)).to.equal("body_timeout");
      expect(answer?.status).to.equal(408);
    });

    it("ends: headers", async () => {
      const [answer] = await send("POST /decide HTTP/1.1\r\nHost: localhost\r\nX-A: b", Infinity, impatient);
      expect(answer?.status).to.equal(408);
    });
  });

  it("answers each request of a pipeline in its order, and what follows it that is none, once", async () => {
    const one = requestText(service.port, JSON.stringify({ ...REQUEST, request_id: "one" }));
    const two = requestText(service.port, JSON.stringify({ ...REQUEST, request_id: "two" }));
    const answers = await send(`${one}${two}garbage\r\n\r\n`, Infinity);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 400]);
    expect(answers.slice(0, 2).map(({ body }) => (JSON.parse(body) as { request_id: string }).request_id)).to.deep.equal(["one", "two"]);
  });

  it("answers in full what came before that is none, however much of it there is and however slowly it is read", async () => {
    const whole = await (await fetch(`http://127.0.0.1:${service.port}/openapi.json`)).text();
    const socket = connect(service.port, "127.0.0.1").pause();
    await once(socket, "connect");
    socket.write(`GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\ngarbage\r\n\r\n`);
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.write("\u0000more\r\n".repeat(100));
    }
    let received = "";
    socket.setEncoding("utf8").on("data", (text: string) => (received += text));
    const closed = new Promise((resolve) => socket.on("error", () => undefined).on("close", resolve));
    socket.resume();
    await closed;
    const [head = "", farewell] = received.split(whole);
    expect([head.slice(0, 12), farewell?.slice(0, 12)]).to.deep.equal(["HTTP/1.1 200", "HTTP/1.1 400"]);
  });

  it("doesn't wait for whoever sends what is none and goes on", async () => {
    const socket = connect({ port: service.port, host: "127.0.0.1", allowHalfOpen: true });
    const closed = new Promise((resolve) => socket.on("error", () => undefined).on("close", resolve));
    socket.resume().write("garbage\r\n\r\n");
    const sending = setInterval(() => socket.write("more"), 20);
    await closed;
    clearInterval(sending);
  });

  it("does not read a smuggled request out of a body", async () => {
    const inner = requestText(service.port, good);
    const answers = await send(requestText(service.port, `{}${inner}`.slice(0, 900)), 1);
    expect(answers.map((answer) => codeOf(answer))).to.deep.equal(["json_invalid"]);
  });

  it("goes on after clients that leave in the middle", async () => {
    for (let cut = 1; cut < 400; cut += 40) {
      const socket = connect(service.port, "127.0.0.1");
      await once(socket, "connect");
      socket.write(requestText(service.port, good).slice(0, -cut % good.length || undefined));
      socket.resetAndDestroy();
    }
    expect((await post(service, "/decide", REQUEST)).status).to.equal(200);
  });

  it("never answers with a stack, a path of this machine or a header that names the software", () => {
    expect(seen.length).to.be.greaterThan(60);
    for (const { headers, body, status } of seen) {
      expect(status).to.be.lessThan(500);
      expect(body).not.to.match(/\.(ts|js|rego):|node_modules|\bat [^"]*\(|\/(tmp|home|usr|work|root|etc)\//);
      expect(headers).not.to.match(/x-powered-by|^server:/im);
    }
    expect(service.said()).not.to.contain("failed unexpectedly");
  });
});
