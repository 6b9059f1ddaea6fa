/** OPA's API against what nobody has thought of: bytes, paths and parameters at random. Its agent is unknown, so nothing may be permitted. */
import { randomInt } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { ALL, REQUEST, run, type Running } from "../../http/running.js";

/** Given again, the same requests come. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const REQUESTS = 1500;
const DENIED = { ...REQUEST, agent: "a-2" };

interface Sent {
  method: string;
  path: string;
  body: Uint8Array | string | null;
  headers: Record<string, string>;
}

const routes = fc.constantFrom("/v1/data", "/v1/batch/data", "/v0/data", "/", "/v1/query", "/v1/policies", "/health");
const segment = fc.oneof(
  fc.constantFrom("remit", "decide", "allow", "..", ".", "%2F", "%00", "%ff", "__proto__"),
  fc.string({ maxLength: 8 }).map(encodeURIComponent),
);
const parameter = fc.oneof(
  fc.constantFrom(
    "pretty",
    "metrics=true",
    "provenance",
    "explain=full",
    "explain=notes",
    "input=",
    "input=%7B%7D",
    "%",
    "=",
    "&&",
    "plugins",
    "exclude-plugin=bundle",
  ),
  fc.json({ maxDepth: 3 }).map((json) => `input=${encodeURIComponent(json)}`),
  fc.string({ maxLength: 8 }).map(encodeURIComponent),
);

/** What is nearly right is read furthest. */
const nearly = fc
  .record({ agent: fc.constant("a-2") }, { noNullPrototype: true })
  .chain(() =>
    fc.dictionary(fc.constantFrom(...Object.keys(REQUEST), "proceed", "facts", "__proto__", "x"), fc.jsonValue({ maxDepth: 2 }), {
      maxKeys: 2,
    }),
  )
  .map((changes) => ({ ...DENIED, ...changes, agent: "a-2" }));
const input = fc.oneof(nearly, fc.constant(DENIED), fc.jsonValue({ maxDepth: 4 }));
const envelope = fc.oneof(
  input,
  input.map((one) => ({ input: one })),
  fc.dictionary(fc.string({ maxLength: 4 }), input, { maxKeys: 4 }).map((inputs) => ({ inputs })),
  fc
    .tuple(fc.dictionary(fc.string({ maxLength: 4 }), input, { maxKeys: 4 }), input)
    .map(([inputs, common_input]) => ({ inputs, common_input })),
);
const text = envelope.map((value) => JSON.stringify(value));
const bytes = fc.oneof(
  text,
  fc.tuple(text, fc.nat(), fc.string({ maxLength: 3 })).map(([json, at, more]) => {
    const cut = at % (json.length + 1);
    return json.slice(0, cut) + more + json.slice(cut + more.length);
  }),
  fc.uint8Array({ maxLength: 64 }),
);
const sent: fc.Arbitrary<Sent> = fc
  .record({
    method: fc.oneof({ weight: 6, arbitrary: fc.constant("POST") }, fc.constantFrom("GET", "PUT", "PATCH", "DELETE")),
    route: routes,
    segments: fc.oneof(fc.constant(["remit", "decide"]), fc.array(segment, { maxLength: 3 })),
    parameters: fc.array(parameter, { maxLength: 2 }),
    body: bytes,
    packed: fc.constantFrom("no", "no", "yes", "said"),
    type: fc.constantFrom("application/json", "text/plain", "application/x-yaml", "application/json; charset=latin1"),
  })
  .map(({ method, route, segments, parameters, body, packed, type }) => ({
    method,
    path: `${route}${segments.length === 0 || route === "/" ? "" : `/${segments.join("/")}`}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}`,
    body: method === "GET" ? null : packed === "yes" ? gzipSync(body) : body,
    headers: { "content-type": type, ...(packed === "no" ? {} : { "content-encoding": "gzip" }) },
  }));

/** Anywhere in it: `proceed`, `allow`, or a bare `true`. */
function permitted(value: unknown): boolean {
  if (value === true) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(
    ([key, member]) => (["proceed", "allow", "result"].includes(key) && member === true) || permitted(member),
  );
}

const STATUSES = new Set([200, 207, 400, 404, 405, 413, 415, 500, 501]);

describe(`OPA's API, asked at random (REMIT_SEED=${SEED})`, () => {
  let service: Running;
  before(async () => (service = await run()));
  after(() => service.stop());

  it("answers each in its own shape, permits nothing, and fails at none", async () => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(sent, async ({ method, path, body, headers }) => {
        const response = await fetch(`${service.url}${path}`, {
          method,
          headers: { authorization: `Bearer ${ALL}`, ...headers },
          body: body as string | null,
        });
        const answer = await response.text();
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        expect(STATUSES).to.include(response.status);
        // Health is behind Express, and has its words for a method.
        if (response.status === 405 && !new URL(response.url).pathname.startsWith("/health")) expect(answer).to.equal("");
        else {
          const value = JSON.parse(answer) as Record<string, unknown>;
          expect(permitted(value)).to.equal(false);
          expect(answer.length).to.be.below(20_000);
          if (response.status === 500) expect(value).to.have.any.keys("responses", "error");
        }
      }),
      { seed: SEED, numRuns: REQUESTS },
    );
    // Each kind was met, so the requests aren't all refused at the door.
    expect([...statuses.keys()]).to.include.members([200, 400, 405, 415, 501]);
    expect(service.said()).not.to.contain("failed unexpectedly");
  });
});
