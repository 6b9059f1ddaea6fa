import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { ProxiedRequest, EnvoyPorts } from "../../../src/adapters/envoy/check.js";
import type { Answer } from "../../../src/contract/index.js";
import type { Caller } from "../../../src/decision/ports.js";
import { system } from "../../../src/system/index.js";
import { asset } from "../../../src/system/paths.js";
import { cut, type Edit } from "../../threats/cut.js";
import { wholeTree, withEdits, type Tree } from "../../threats/threat.js";

const ROUTES = `
routes:
  - {on: GET /notes/:id, read: note, id: path.id, arguments: {q: query.q}}
  - {on: POST /notes, create: note, arguments: {text: body.text}}
`;
const PURPOSE = "purpose: {is: testing}\n";
const MAPPING = `agent: {is: a-1}\n${PURPOSE}${ROUTES}`;
const CLAIMED = `agent: {claims: {payload: jwt}}\n${PURPOSE}${ROUTES}`;

const ALLOW = {
  decision: "allow",
  proceed: true,
  decision_id: "d-1",
  obligations: [],
  reasons: [],
  valid_for_ms: 5000,
  policy: { revision: "r", digest: "d" },
  facts_revision: 1,
} as unknown as Answer;

interface Probe {
  mapping?: string;
  asked?: Partial<Omit<ProxiedRequest, "header" | "metadata">>;
  headers?: Record<string, string>;
  claims?: object;
  answer?: object;
}

/** Whether it passes: a table that can't be read lets nothing pass. */
async function passes(tree: Tree, { mapping = MAPPING, asked = {}, headers = {}, claims, answer = {} }: Probe): Promise<boolean> {
  const { check } = await tree("adapters/envoy/check.js");
  const { parseEnvoyMapping } = await tree("adapters/envoy/mapping.js");
  let read: EnvoyPorts["mapping"];
  try {
    read = parseEnvoyMapping(mapping, "envoy.yaml");
  } catch {
    return false;
  }
  const whole: ProxiedRequest = {
    method: "GET",
    target: "/notes/n-1",
    host: "h",
    body: Buffer.alloc(0),
    size: null,
    context: () => undefined,
    principal: null,
    id: null,
    ...asked,
    header: (name) => headers[name],
    metadata: () => ({ jwt: claims }),
  };
  const { refusal } = await check(whole, { id: "envoy-1" } as Caller, {
    mapping: read,
    clock: system.clock,
    json: { depth_max: 32, members_max: 256 },
    agentOf: ({ subject }) => (subject === "agent-1" ? "a-1" : undefined),
    agentProof: () => Promise.reject(new Error("nobody has a token here")),
    actors_max: 8,
    decide: () =>
      Promise.resolve({
        answer: { ...ALLOW, ...answer },
        text: "",
        purpose: null,
        lease: null,
        agent: "",
        trace: null,
        stages: { read: 0, evaluate: 0, record: 0 },
      }),
  });
  return refusal === null;
}

const CHECK = "adapters/envoy/check.js";
const TABLE = "adapters/envoy/mapping.js";
const target = (path: string): Probe => ({ asked: { target: path } });
const post = (text: string, headers: Record<string, string> = {}, size: number | null = Buffer.byteLength(text)): Probe => ({
  asked: { method: "POST", target: "/notes", body: Buffer.from(text), size },
  headers: { "content-type": "application/json", ...headers },
});
const claims = (of: object): Probe => ({
  mapping: CLAIMED,
  claims: { iss: "i", sub: "agent-1", aud: "remit", exp: 4_000_000_000, ...of },
});

// prettier-ignore
const CONTROLS: [control: string, probe: Probe, without: Edit][] = [
  ["paths being in the characters that a request has", target("/notes/é"), cut.always(CHECK, "routeOf", "VISIBLE")],
  ["paths having no fragment", target("/notes/n-1?q=a#b"), cut.never(CHECK, "routeOf", "includes")],
  ["names in paths having one reading", target("/notes/%2e%2e"), cut.never("contract/paths.js", "paramsOf", "isCanonicalPath")],
  ["parameters standing once", target("/notes/n-1?q=a&q=a"), cut.never(CHECK, "queryOf", "Object")],
  ["parameters ending where all say so", target("/notes/n-1?q=a;b"), cut.condition(CHECK, "queryOf", "test", "/[+]/.test(query)")],
  ["parameters having no `+`", target("/notes/n-1?q=a+b"), cut.condition(CHECK, "queryOf", "test", "/[;]/.test(query)")],
  ["bodies being of one set of characters", post('{"text":"a"}', { "content-type": "application/json; charset=shift_jis" }), cut.value(CHECK, "JSON_TYPE", "JSON_TYPE", "/^application\\/json/i")],
  ["routes saying what is in a body", { mapping: `agent: {is: a-1}\n${PURPOSE}${ROUTES}  - {on: POST /other, read: note}\n` }, cut.never("adapters/envoy/mapping.js", "routeOf", "BODILESS")],
  ["parameters that a policy has seen", target("/notes/n-1?customer=bob"), cut.call("mapping/call_mapping.js", "actionOf", "refuseUnmapped")],
  ["bodies being whole", post('{"text":"a"}', { "x-envoy-auth-partial-body": "true" }), cut.never(CHECK, "bodyOf", "isWhole")],
  ["bodies being as long as they are", post('{"text":"a"}', {}, 20), cut.always(CHECK, "bodyOf", "body")],
  ["bodies being known to be whole", post('{"text":"a"}', {}, null), cut.value(CHECK, "bodyOf", "isWhole", 'size === null || (size === body.length && (partial ?? "false") === "false")')],
  ["bodies being plain JSON", post('{"text":"a"}', { "content-encoding": "gzip" }), cut.never(CHECK, "bodyOf", "isPlain")],
  ["bodies having one reading", post('{"text":"a","text":"b"}'), cut.call(CHECK, "bodyOf", "scan", "body.toString()")],
  ["bodies that a policy has seen", { asked: { body: Buffer.from("{}"), size: 2 } }, cut.refusal(CHECK, "routeOf", "action_invalid")],
  ["agents being registered", claims({ sub: "agent-2" }), cut.refusal(CHECK, "registered", "token_invalid")],
  ["actors being their issuer's own", claims({ sub: "alice", act: { iss: "other", sub: "agent-1" } }), cut.never("identity/claims.js", "actorsOf", "actors", "issuer")],
  ["tokens needing no proof of a key", claims({ cnf: { jkt: "x" } }), cut.never(CHECK, "proofOf", "cnf")],
  ["what a policy says", { answer: { decision: "deny", proceed: false } }, cut.never(CHECK, "told", "proceed")],
  ["answers being valid yet", { answer: { valid_for_ms: 0 } }, cut.never(CHECK, "told", "passed_ms")],
  ["obligations being met by somebody", { answer: { obligations: [{ type: "redact", fields: ["iban"] }] } }, cut.never(CHECK, "obligationsText", "obligations")],
  ["no request being two routes'", { mapping: `agent: {is: a-1}\n${PURPOSE}${ROUTES}  - {on: GET /notes/mine, read: note}\n` }, cut.never(TABLE, "parseEnvoyMapping", "other")],
  ["resources not being what a client's header says", { mapping: `agent: {is: a-1}\n${PURPOSE}${ROUTES}  - {on: GET /own, read: note, id: header.x-note}\n` }, cut.never(TABLE, "routeOf", "arguments")],
  ["one word for who acts", { mapping: `agent: {is: a-1, trusted_header: x-agent}\n${PURPOSE}${ROUTES}` }, cut.always(TABLE, "parseEnvoyMapping", "Object")],
];

describe("what a proxy's check rests on", function () {
  let copies: string;
  before(() => {
    mkdirSync(asset(".work"), { recursive: true });
    copies = mkdtempSync(join(asset(".work"), "envoy-"));
  });
  after(() => {
    rmSync(copies, { recursive: true, force: true });
  });

  it("lets pass what nothing speaks against", async () => {
    const good = [target("/notes/n-1?q=a"), post('{"text":"a"}'), claims({}), claims({ sub: "alice", act: { sub: "agent-1" } })];
    for (const probe of good) expect(await passes(wholeTree(), probe)).to.equal(true);
  });

  for (const [i, [control, probe, without]] of CONTROLS.entries()) {
    it(`is ${control}: with it nothing passes, without it something does`, async () => {
      expect(await passes(wholeTree(), probe)).to.equal(false);
      expect(await passes(withEdits(join(copies, String(i)), [without]), probe)).to.equal(true);
    });
  }
});
