import { expect } from "chai";
import { connect } from "node:net";
import { once } from "node:events";
import { REQUEST, codeOf, post, raw, requestText, run, type RawAnswer, type Running } from "./running.js";

const good = JSON.stringify(REQUEST);
let service: Running;
const seen: RawAnswer[] = [];

async function send(text: string | string[], answers = 1): Promise<RawAnswer[]> {
  const found = await raw(service.port, text, answers);
  seen.push(...found);
  return found;
}

describe("hostile HTTP", () => {
  before(async () => {
    service = await run({ limits: { body_bytes_max: 1024, body_ms: 200, headers_ms: 300, header_bytes_max: 4096 } });
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

  const refused: [string, number, string, (port: number) => string][] = [
    // types and encodings
    ["text/plain", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type: text/plain"])],
    ["a form", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type: application/x-www-form-urlencoded"])],
    ["an empty content type", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type:"])],
    ["another charset", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type: application/json; charset=utf-16"])],
    ["a charset that hides in UTF-7", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type: application/json; charset=utf-7"])],
    ["a type that only begins alike", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type: application/jsonp"])],
    ["JSON of a dialect", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type: application/ld+json"])],
    ["two types in one header", 415, "content_type_unsupported", (port) => requestText(port, good, ["Content-Type: application/json, text/plain"])],
    ["a compressed body", 415, "content_encoding_unsupported", (port) => requestText(port, good, ["Content-Encoding: gzip"])],
    ["the encoding `identity`", 415, "content_encoding_unsupported", (port) => requestText(port, good, ["Content-Encoding: identity"])],
    // bodies
    ["an empty body", 400, "body_empty", (port) => requestText(port, "")],
    ["an empty chunked body", 400, "body_empty", (port) => requestText(port, "0\r\n\r\n", ["Transfer-Encoding: chunked"])],
    ["a body of white space", 400, "json_invalid", (port) => requestText(port, " \n")],
    ["no JSON", 400, "json_invalid", (port) => requestText(port, "agent=a-1")],
    ["truncated JSON", 400, "json_invalid", (port) => requestText(port, good.slice(0, -1))],
    ["something after the JSON", 400, "json_invalid", (port) => requestText(port, `${good}x`)],
    ["a byte order mark", 400, "json_invalid", (port) => requestText(port, `\u00ef\u00bb\u00bf${good}`, [`Content-Length: ${good.length + 3}`])],
    ["invalid UTF-8", 400, "utf8_invalid", (port) => requestText(port, '"\u00ff"', ["Content-Length: 3"])],
    ["a key twice", 400, "json_duplicate_key", (port) => requestText(port, good.replace("{", '{"agent":"a-2",'))],
    ["`__proto__`", 400, "field_unknown", (port) => requestText(port, good.replace("{", '{"__proto__":{"admin":true},'))],
    ["a number that no double holds", 400, "number_not_exact", (port) => requestText(port, good.replace("{", '{"at_least":1e400,'))],
    ["half a surrogate pair", 400, "surrogate_lone", (port) => requestText(port, good.replace("n-1", "\\ud800"))],
    ["a body one byte too large", 413, "body_too_large", (port) => requestText(port, good + " ".repeat(1025 - good.length))],
    ["a length that is too large, before its body", 413, "body_too_large", (port) => requestText(port, "", ["Content-Length: 999999999"])],
    ["chunks that become too large", 413, "body_too_large", (port) => requestText(port, `401\r\n${" ".repeat(1025)}\r\n`, ["Transfer-Encoding: chunked"])],
    // hosts and origins
    ["no host", 421, "host_refused", (port) => requestText(port, good, ["Host:"])],
    ["another host (DNS rebinding)", 421, "host_refused", (port) => requestText(port, good, ["Host: evil.example"])],
    ["a host that only begins alike", 421, "host_refused", (port) => requestText(port, good, ["Host: 127.0.0.1.evil.example"])],
    ["a host with a user", 421, "host_refused", (port) => requestText(port, good, ["Host: 127.0.0.1@evil.example"])],
    ["another loopback address", 421, "host_refused", (port) => requestText(port, good, ["Host: 127.0.0.2"])],
    ["localhost with a dot", 421, "host_refused", (port) => requestText(port, good, ["Host: localhost."])],
    ["a host with a path", 421, "host_refused", (port) => requestText(port, good, ["Host: localhost/x"])],
    ["an origin (CSRF)", 403, "origin_refused", (port) => requestText(port, good, ["Origin: https://evil.example"])],
    ["our own origin", 403, "origin_refused", (port) => requestText(port, good, [`Origin: http://127.0.0.1:${port}`])],
    ["the origin null", 403, "origin_refused", (port) => requestText(port, good, ["Origin: null"])],
    // headers twice
    ["two hosts", 400, "http_invalid", (port) => requestText(port, good, ["Host: localhost", "Host: evil.example"])],
    ["two tokens", 400, "http_invalid", (port) => requestText(port, good, ["Authorization: Bearer x"])],
    ["two content types", 400, "http_invalid", (port) => requestText(port, good, ["Content-Type: application/json", "Content-Type: text/plain"])],
    // smuggling
    ["a length and chunks", 400, "http_invalid", (port) => requestText(port, "0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n", ["Content-Length: 5", "Transfer-Encoding: chunked"])],
    ["chunks and a length", 400, "http_invalid", (port) => requestText(port, "0\r\n\r\n", ["Transfer-Encoding: chunked", "Content-Length: 5"])],
    ["two lengths that differ", 400, "http_invalid", (port) => requestText(port, good, ["Content-Length: 5", "Content-Length: 6"])],
    ["two lengths that agree", 400, "http_invalid", (port) => requestText(port, good, [`Content-Length: ${good.length}`, `Content-Length: ${good.length}`])],
    ["a list of lengths", 400, "http_invalid", (port) => requestText(port, good, ["Content-Length: 5, 5"])],
    ["a signed length", 400, "http_invalid", (port) => requestText(port, good, ["Content-Length: +5"])],
    ["a length in hexadecimal", 400, "http_invalid", (port) => requestText(port, good, ["Content-Length: 0x5"])],
    ["an unknown transfer encoding", 400, "http_invalid", (port) => requestText(port, good, ["Transfer-Encoding: xchunked"])],
    ["chunked, then something else", 400, "http_invalid", (port) => requestText(port, good, ["Transfer-Encoding: chunked, identity"])],
    ["white space before the colon", 400, "http_invalid", (port) => requestText(port, good, ["Transfer-Encoding : chunked"])],
    ["chunks in HTTP/1.0", 400, "http_invalid", (port) => requestText(port, `${good.length.toString(16)}\r\n${good}\r\n0\r\n\r\n`, ["Transfer-Encoding: chunked", "Connection: keep-alive"], "POST /decide HTTP/1.0")],
    ["a chunk size that is no number", 400, "http_invalid", (port) => requestText(port, "zz\r\n\r\n", ["Transfer-Encoding: chunked"])],
    ["a folded header", 400, "http_invalid", (port) => requestText(port, good, ["X-A: b", " folded: yes"])],
    ["a line feed alone between headers", 400, "http_invalid", (port) => requestText(port, good, ["X-A: b\nX-B: c"])],
    ["a NUL in a header", 400, "http_invalid", (port) => requestText(port, good, ["X-A: b\u0000c"])],
    ["headers beyond the limit", 431, "headers_too_large", (port) => requestText(port, good, [`X-A: ${"a".repeat(5000)}`])],
    ["no HTTP", 400, "http_invalid", () => "hello\r\n\r\n"],
    ["TLS", 400, "http_invalid", () => "\u0016\u0003\u0001\u0002\u0000\u0001\u0000"],
    ["another version", 400, "http_invalid", (port) => requestText(port, good, [], "POST /decide HTTP/9.9")],
    ["an unknown method", 400, "http_invalid", (port) => requestText(port, good, [], "HACK /decide HTTP/1.1")],
    // routes
    ["another method", 405, "method_not_allowed", (port) => requestText(port, "", [], "GET /decide HTTP/1.1")],
    ["another method behind Express", 405, "method_not_allowed", (port) => requestText(port, "", [], "DELETE /bundles HTTP/1.1")],
    ["a slash more", 404, "not_found", (port) => requestText(port, good, [], "POST /decide/ HTTP/1.1")],
    ["a slash before", 404, "not_found", (port) => requestText(port, good, [], "POST //decide HTTP/1.1")],
    ["other letters", 404, "not_found", (port) => requestText(port, good, [], "POST /Decide HTTP/1.1")],
    ["other letters behind Express", 404, "not_found", (port) => requestText(port, good, [], "GET /Healthz HTTP/1.1")],
    ["a slash more behind Express", 404, "not_found", (port) => requestText(port, good, [], "GET /healthz/ HTTP/1.1")],
    ["an encoded path", 404, "not_found", (port) => requestText(port, good, [], "POST /%64ecide HTTP/1.1")],
    ["a query", 404, "not_found", (port) => requestText(port, good, [], "POST /decide?x=1 HTTP/1.1")],
    ["an absolute address", 404, "not_found", (port) => requestText(port, good, [], "POST http://evil.example/decide HTTP/1.1")],
    ["an absolute address behind Express", 404, "not_found", (port) => requestText(port, "", [], "GET http://evil.example/bundles HTTP/1.1")],
    ["an absolute address of our own", 404, "not_found", (port) => requestText(port, "", [], `GET http://127.0.0.1:${port}/bundles HTTP/1.1`)],
    ["a fragment", 404, "not_found", (port) => requestText(port, "", [], "GET /bundles#x HTTP/1.1")],
    ["the server as a whole", 404, "not_found", (port) => requestText(port, "", [], "OPTIONS * HTTP/1.1")],
    ["an expectation that nobody meets", 400, "http_invalid", (port) => requestText(port, good, ["Expect: 200-ok"])],
    ["a path that climbs", 404, "not_found", (port) => requestText(port, good, [], "GET /../../etc/passwd HTTP/1.1")],
    ["a path that cannot be decoded", 400, "http_invalid", (port) => requestText(port, "{}", [], "PATCH /tasks/%E0%A4%A HTTP/1.1")],
  ]; // prettier-ignore
  for (const [what, status, code, text] of refused) {
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
    const answers = await send([requestText(service.port, " ".repeat(64), ["Content-Length: 100000"]), ...Array<string>(20).fill(" ".repeat(1000))], Infinity); // prettier-ignore
    expect(answers.map((answer) => `${answer.status} ${codeOf(answer)}`)).to.deep.equal(["413 body_too_large"]);
    expect(answers[0]?.headers).to.contain("connection: close");
  });

  it("ends a body that does not come", async () => {
    const [answer] = await send([requestText(service.port, "", ["Content-Length: 100"]), "{"], Infinity);
    expect(answer && codeOf(answer)).to.equal("body_timeout");
    expect(answer?.status).to.equal(408);
  });

  it("ends headers that do not come", async () => {
    const [answer] = await send("POST /decide HTTP/1.1\r\nHost: localhost\r\nX-A: b", Infinity);
    expect(answer?.status).to.equal(408);
  });

  it("answers each request of a pipeline in its order, and what follows it that is none, once", async () => {
    const one = requestText(service.port, JSON.stringify({ ...REQUEST, request_id: "one" }));
    const two = requestText(service.port, JSON.stringify({ ...REQUEST, request_id: "two" }));
    const answers = await send(`${one}${two}garbage\r\n\r\n`, Infinity);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 400]);
    expect(
      answers.slice(0, 2).map(({ body }) => (JSON.parse(body) as { request_id: string }).request_id),
    ).to.deep.equal(["one", "two"]);
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
      expect(body).not.to.match(/\.(ts|js|rego):|node_modules|\bat .*\(|\/(tmp|home|usr|work|root|etc)\//);
      expect(headers).not.to.match(/x-powered-by|^server:/im);
    }
    expect(service.said()).not.to.contain("failed unexpectedly");
  });
});
