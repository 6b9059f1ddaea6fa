import { connect } from "node:net";
import { once } from "node:events";
import { expect } from "chai";
import { ConsoleDesk, PERSON, type Asked, type SignedIn } from "./running.js";

describe("the console's doors", function () {
  let desk: ConsoleDesk;
  let ada: SignedIn;
  before(async () => {
    desk = await ConsoleDesk.open();
    ada = await desk.signIn();
  });
  after(() => desk.close());

  const revocation = JSON.stringify({ scope: { agent: "support-3" }, reason: "tried" });
  const revoke = (headers: Asked["headers"], body = revocation): Promise<{ status: number; code: string | undefined }> =>
    desk.ask("/api/service/revocations", { method: "POST", headers: headers ?? {}, body });
  const without = (...names: string[]): Record<string, string> =>
    Object.fromEntries(Object.entries(ada.headers).filter(([name]) => !names.includes(name)));

  it("let the console's own page change something, under the person's name", async () => {
    expect((await revoke(ada.headers)).status).to.equal(200);
    const { body } = await desk.desk.ask("GET", "/revocations/agent/support-3");
    expect(body).to.deep.include({ by: `console:${PERSON}`, reason: "tried", lifted: null });
  });

  const forged: [what: string, headers: () => Record<string, string>, code: string][] = [
    [
      "a form of another site",
      () => ({ ...without("x-remit-csrf"), origin: "https://evil.example", "sec-fetch-site": "cross-site", "content-type": "text/plain" }),
      "cross_origin",
    ],
    [
      "another site that has stolen the token",
      () => ({ ...ada.headers, origin: "https://evil.example", "sec-fetch-site": "cross-site" }),
      "cross_origin",
    ],
    [
      "another site whose browser says nothing of where it comes from",
      () => ({ ...without("sec-fetch-site"), origin: "https://evil.example" }),
      "cross_origin",
    ],
    [
      "another port of this machine",
      () => ({ ...ada.headers, origin: "http://127.0.0.1:1", "sec-fetch-site": "same-site" }),
      "cross_origin",
    ],
    ["a sandboxed frame", () => ({ ...ada.headers, origin: "null" }), "cross_origin"],
    ["an address that was typed", () => ({ ...ada.headers, "sec-fetch-site": "none" }), "cross_origin"],
    ["a page that leaves its origin out", () => without("origin"), "cross_origin"],
    ["our origin with another scheme", () => ({ ...ada.headers, origin: desk.running.url.replace("http:", "https:") }), "cross_origin"],
    ["our origin in other letters", () => ({ ...ada.headers, origin: desk.running.url.toUpperCase() }), "cross_origin"],
    ["our origin with more behind it", () => ({ ...ada.headers, origin: `${desk.running.url}.evil.example` }), "cross_origin"],
    ["a page without the token", () => without("x-remit-csrf"), "csrf_refused"],
    ["a page with an empty token", () => ({ ...ada.headers, "x-remit-csrf": "" }), "csrf_refused"],
    ["a page with a token cut short", () => ({ ...ada.headers, "x-remit-csrf": ada.csrf.slice(0, -1) }), "csrf_refused"],
    ["a form's type", () => ({ ...ada.headers, "content-type": "application/x-www-form-urlencoded" }), "content_type_unsupported"],
    ["plain text", () => ({ ...ada.headers, "content-type": "text/plain" }), "content_type_unsupported"],
    ["no type", () => without("content-type"), "content_type_unsupported"],
    ["nobody", () => without("cookie"), "session_missing"],
    [
      "a session that is none",
      () => ({ ...ada.headers, cookie: `${ada.cookie.split("=")[0] ?? ""}=${"A".repeat(43)}` }),
      "session_missing",
    ],
    [
      "two sessions at once",
      () => ({ ...ada.headers, cookie: `${ada.cookie}; ${ada.cookie.split("=")[0] ?? ""}=${"A".repeat(43)}` }),
      "session_missing",
    ],
    [
      "a name that leads here by another's DNS",
      () => ({ ...ada.headers, host: `evil.example:${desk.host.split(":")[1] ?? ""}` }),
      "host_refused",
    ],
    ["a name that begins as ours", () => ({ ...ada.headers, host: `${desk.host}.evil.example` }), "host_refused"],
    ["our name without its port", () => ({ ...ada.headers, host: "127.0.0.1" }), "host_refused"],
  ];
  for (const [what, headers, code] of forged)
    it(`refuse ${what}`, async () => {
      expect((await revoke(headers())).code).to.equal(code);
      expect((await desk.desk.ask("GET", "/revocations/agent/support-2")).outcome).to.contain("revocation_not_found");
    });

  it("refuse a token of another session of the same person", async () => {
    const again = await desk.signIn();
    expect(again.csrf).to.not.equal(ada.csrf);
    expect((await revoke({ ...ada.headers, "x-remit-csrf": again.csrf })).code).to.equal("csrf_refused");
  });

  const reads: [what: string, headers: () => Record<string, string>, code: string][] = [
    ["another site's script", () => ({ cookie: ada.cookie, "sec-fetch-site": "cross-site" }), "cross_origin"],
    ["a subdomain's", () => ({ cookie: ada.cookie, "sec-fetch-site": "same-site" }), "cross_origin"],
    ["a browser that says nothing", () => ({ cookie: ada.cookie }), "cross_origin"],
    ["another origin that says it is the same", () => ({ ...ada.reads, origin: "http://localhost:1" }), "cross_origin"],
    ["nobody", () => ({ "sec-fetch-site": "same-origin" }), "session_missing"],
  ];
  for (const path of ["/api/me", "/api/stream", "/api/service/decisions", "/api/nothing"])
    for (const [what, headers, code] of reads)
      it(`read nothing at ${path} to ${what}`, async () => {
        const answer = await desk.ask(path, { headers: headers() });
        expect(answer.code).to.equal(code);
        expect(answer.headers["access-control-allow-origin"]).to.equal(undefined);
      });

  it("answer no preflight", async () => {
    const headers = {
      origin: "https://evil.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "x-remit-csrf",
    };
    const answer = await desk.ask("/api/service/revocations", { method: "OPTIONS", headers });
    expect(answer.status).to.equal(403);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).to.deep.equal([]);
  });

  it("send the same strict headers with whatever they answer", async () => {
    for (const path of ["/", "/records?agent=x", "/assets/app-ABCD1234.js", "/assets/nothing.js", "/api/me", "/local?code=x", "/login"]) {
      const { headers } = await desk.ask(path);
      const { "content-security-policy": csp = "" } = headers;
      for (const part of [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ])
        expect(csp, path).to.contain(part);
      expect(csp, path).to.not.match(/unsafe|\*|data:|blob:|https?:/);
      expect(headers, path).to.include({
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
      });
    }
  });

  it("let two pages and their workers evaluate WebAssembly, and nothing else", async () => {
    const evaluating = ["/policy/try", "/records/1?replay=1", "/assets/playground-worker-ABCD1234.js", "/assets/replay-worker-ABCD1234.js"];
    const others = ["/", "/policy", "/policy/try/", "/policy/tryout", "/records", "/records?replay=1", "/records/1", "/agents/1?replay=1"];
    const scripts = ["/assets/app-ABCD1234.js", "/assets/playground-ABCD1234.js", "/assets/library-ABCD1234.json"];
    for (const path of [...evaluating, ...others, ...scripts]) {
      const csp = String((await desk.ask(path)).headers["content-security-policy"]);
      expect(csp.includes("'wasm-unsafe-eval'"), path).to.equal(evaluating.includes(path));
      expect(csp.replace("'wasm-unsafe-eval'", ""), path).to.not.match(/unsafe|\*|data:|blob:|https?:/);
      expect(csp, path).to.contain("default-src 'none'");
    }
  });

  it("send the compiler as a browser takes it: by Brotli, by gzip, and plain", async () => {
    const shell = await desk.ask("/policy/try");
    const [, path = ""] = /data-opa="([^"]+)"/.exec(shell.text) ?? [];
    expect(path).to.match(/^\/assets\/opa-[\d.]+-[0-9a-f]{8}\.wasm$/);
    for (const encoding of ["br", "gzip", undefined]) {
      const answer = await desk.ask(path, { method: "HEAD", headers: encoding === undefined ? {} : { "accept-encoding": encoding } });
      expect([answer.status, answer.headers["content-encoding"], answer.headers["content-type"]]).to.deep.equal([
        200,
        encoding,
        "application/wasm",
      ]);
    }
    const response = await fetch(`${desk.running.url}${path}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.subarray(0, 4)).to.deep.equal(Buffer.from("\0asm"));
  });

  it("give the page to nobody's script, and data to no page of an address", async () => {
    const shell = await desk.ask("/agents/%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    expect(shell.text).to.equal((await desk.ask("/")).text);
    expect(shell.text).to.not.contain("alert");
    expect(shell.text.match(/<script/g)).to.have.lengthOf(1);
  });

  const unknown = [
    "/api/service/decide",
    "/api/service/facts/import",
    "/api/service/facts/export",
    "/api/service/observe",
    "/api/service/records",
    "/api/service/openapi.json",
    "/api/service/agents/../decide",
    "/api/service/agents/..%2fdecide",
    "/api/service/agents/%2e%2e/decide",
    "/api/service/agents/a/../../decide",
    "/api/service//evil.example/decisions",
    "/api/service/decisions/a%2fb",
    "/api/service/decisions/..",
    "/api/service\\decisions",
    "/api/service/agents/a\\..\\..",
  ];
  for (const path of unknown)
    it(`pass on nothing to ${path}`, async () => {
      expect((await desk.ask(path, { headers: ada.reads })).code).to.equal("not_found");
      expect((await desk.ask(path, { method: "POST", headers: ada.headers, body: "{}" })).code).to.equal("not_found");
    });

  it("take an address once, and none that is made up", async () => {
    const { pathname, search } = new URL(desk.running.signIn() ?? "");
    for (const code of ["", "x", "A".repeat(43), search.slice(6, -1)])
      expect((await desk.ask(`/local?code=${encodeURIComponent(code)}`)).code, code).to.equal("login_refused");
    expect((await desk.ask(`${pathname}${search}`)).status).to.equal(303);
    expect((await desk.ask(`${pathname}${search}`)).code).to.equal("login_refused");
  });

  it("begin a session under an id of their own, whatever the browser came with", async () => {
    const planted = `${ada.cookie.split("=")[0] ?? ""}=${"B".repeat(43)}`;
    const { pathname, search } = new URL(desk.running.signIn() ?? "");
    const answer = await desk.ask(`${pathname}${search}`, { headers: { cookie: planted } });
    const [cookie = ""] = answer.headers["set-cookie"] ?? [];
    expect(cookie)
      .to.match(/HttpOnly/)
      .and.match(/SameSite=Lax/)
      .and.match(/Path=\//);
    expect(cookie).to.not.contain("B".repeat(43));
    expect((await desk.ask("/api/me", { headers: { cookie: planted, "sec-fetch-site": "same-origin" } })).code).to.equal("session_missing");
  });

  it("end a session when its person signs out, and when it wasn't used", async () => {
    const one = await desk.signIn();
    expect(
      (await desk.ask("/api/logout", { method: "POST", headers: { ...one.headers, origin: "https://evil.example" }, body: "{}" })).code,
    ).to.equal("cross_origin");
    expect((await desk.ask("/api/logout", { method: "POST", headers: one.headers, body: "{}" })).status).to.equal(200);
    expect((await one.get("/api/me")).code).to.equal("session_missing");
  });

  it("refuse a body that is too large, and one that isn't JSON", async () => {
    expect((await revoke(ada.headers, `{"reason":"${"x".repeat(300_000)}"}`)).code).to.equal("body_too_large");
    expect((await revoke(ada.headers, "{")).code).to.equal("body_invalid");
  });

  const garbage = [
    "\0\0\0\0\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "POST /api/me HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    `GET /${"a".repeat(40_000)} HTTP/1.1\r\n\r\n`,
    "GET http://evil.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    "\u{1f600}".repeat(1000),
  ];
  it("answer on after garbage", async () => {
    for (const text of garbage) {
      const socket = connect(Number(new URL(desk.running.url).port), "127.0.0.1");
      await once(socket, "connect");
      socket.on("error", () => undefined);
      socket.end(text);
      socket.resume();
      await once(socket, "close");
    }
    expect((await ada.get("/api/me")).status).to.equal(200);
  });

  it("never say a token to a page", async () => {
    for (const path of ["/api/me", "/api/service/agents", "/"]) expect((await ada.get(path)).text, path).to.not.match(/eyJ[\w-]+\.eyJ/);
    expect(desk.said).to.not.match(/eyJ[\w-]+\.eyJ/);
    expect(desk.said).to.not.contain(ada.csrf);
  });
});

describe("the console's sessions", () => {
  const scopes: [what: string, scope: object][] = [
    ["a person", { principal: PERSON }],
    ["a caller", { caller: `console:${PERSON}` }],
  ];
  for (const [what, scope] of scopes) {
    it(`end once their person is revoked as ${what}, though nobody looks at a page`, async () => {
      const desk = await ConsoleDesk.open();
      try {
        const ada = await desk.signIn();
        expect((await ada.get("/api/me")).status).to.equal(200);
        const headers = { authorization: `Bearer ${desk.desk.token("remit:audit")}` };
        const follows = async (): Promise<boolean> =>
          /^remit_bound_used\{bound="events\.subscribers_max"\} [1-9]/mu.test(
            await (await fetch(`${desk.desk.service.url}/metrics`, { headers })).text(),
          );
        while (!(await follows())) await new Promise((resolve) => setTimeout(resolve, 20));
        expect((await desk.desk.ask("POST", "/revocations", { scope, reason: "left" })).status).to.equal(200);
        while ((await ada.get("/api/me")).code !== "session_missing") await new Promise((resolve) => setTimeout(resolve, 20));
      } finally {
        await desk.close();
      }
    }).timeout(20_000);
  }
});
