/** What revision 2026-07-28 says of a single message: its `_meta`, its headers, and the kinds of its results. */
import { expect } from "chai";
import { argumentMismatch, decoded, encoded, mirrored, mirroredArguments, mismatch } from "../../src/guards/mcp/mirrored.js";
import { redactedResult } from "../../src/guards/mcp/redact.js";
import { returnedBy } from "../../src/guards/mcp/server_answers.js";
import { completed, malformed, metaFor, unknownAnswer, unsupported } from "../../src/guards/mcp/stateless.js";
import type { Params } from "../../src/guards/mcp/wire.js";

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const CLIENT = "io.modelcontextprotocol/clientInfo";
const metaOf = (capabilities: object = {}): Params => ({ [VERSION]: "2026-07-28", [CAPABILITIES]: capabilities });
const HEADERS = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "find" };
const FIND: Params = { name: "find", arguments: {}, _meta: metaOf() };

describe("a request without a session", () => {
  const MALFORMED: [what: string, params: Params | undefined][] = [
    ["without parameters", undefined],
    ["without _meta", {}],
    ["whose _meta is a list", { _meta: [] }],
    ["without its revision", { _meta: { [CAPABILITIES]: {} } }],
    ["whose revision is a number", { _meta: { [VERSION]: 20260728, [CAPABILITIES]: {} } }],
    ["whose revision is empty", { _meta: { [VERSION]: "", [CAPABILITIES]: {} } }],
    ["without its capabilities", { _meta: { [VERSION]: "2026-07-28" } }],
    ["whose capabilities are a list", { _meta: { [VERSION]: "2026-07-28", [CAPABILITIES]: ["sampling"] } }],
  ];
  for (const [what, params] of MALFORMED) {
    it(`is malformed ${what}`, () => {
      expect(malformed(params)?.code).to.equal(-32602);
    });
  }

  it("is whole with both, and needs no name of its client", () => {
    expect(malformed({ _meta: metaOf() })).to.equal(null);
  });

  for (const requested of ["2025-11-25", "2026-07-27", "2027-01-01", "v999", " 2026-07-28"]) {
    it(`isn't served as revision ${JSON.stringify(requested)}`, () => {
      expect(unsupported({ _meta: { [VERSION]: requested } })).to.deep.include({
        code: -32022,
        data: { supported: ["2026-07-28"], requested },
      });
    });
  }

  const MISMATCHES: [what: string, headers: Params, params?: Params, method?: string][] = [
    ["no revision", { ...HEADERS, "mcp-protocol-version": undefined }],
    ["another revision", { ...HEADERS, "mcp-protocol-version": "2025-11-25" }],
    ["no method", { ...HEADERS, "mcp-method": undefined }],
    ["another method", { ...HEADERS, "mcp-method": "tools/list" }],
    ["the method in capitals", { ...HEADERS, "mcp-method": "Tools/Call" }],
    ["no name", { ...HEADERS, "mcp-name": undefined }],
    ["another name", { ...HEADERS, "mcp-name": "delete" }],
    ["two names", { ...HEADERS, "mcp-name": ["find", "find"] }],
    ["the name padded", { ...HEADERS, "mcp-name": " find" }],
    ["another name, encoded", { ...HEADERS, "mcp-name": encoded(" delete").replace("IGRlbGV0ZQ", "ZGVsZXRl") }],
    ["the name in a wrong encoding", { ...HEADERS, "mcp-name": "=?base64?ZmluZA=?=" }],
    ["the name encoded with other marks", { ...HEADERS, "mcp-name": "=?BASE64?ZmluZA==?=" }],
    [
      "a URI that isn't read",
      { ...HEADERS, "mcp-method": "resources/read", "mcp-name": "crm://a" },
      { uri: "crm://b", _meta: metaOf() },
      "resources/read",
    ],
    ["a name for a prompt without one", { ...HEADERS, "mcp-method": "prompts/get" }, { _meta: metaOf() }, "prompts/get"],
  ];
  for (const [what, headers, params = FIND, method = "tools/call"] of MISMATCHES) {
    it(`isn't taken where its headers say ${what}`, () => {
      expect(mismatch(headers, method, params)?.code).to.equal(-32020);
    });
  }

  const MATCHES: [what: string, headers: Params, params: Params, method: string][] = [
    ["as they are", HEADERS, FIND, "tools/call"],
    ["encoded, though they needn't be", { ...HEADERS, "mcp-name": "=?base64?ZmluZA==?=" }, FIND, "tools/call"],
    ["encoded, where they have to be", { ...HEADERS, "mcp-name": encoded("fïnd") }, { ...FIND, name: "fïnd" }, "tools/call"],
    ["without a name, where none is asked for", { ...HEADERS, "mcp-method": "tools/list" }, { _meta: metaOf() }, "tools/list"],
  ];
  for (const [what, headers, params, method] of MATCHES) {
    it(`is taken where its headers say the same ${what}`, () => {
      expect(mismatch(headers, method, params)).to.equal(null);
    });
  }
});

describe("a value in a header", () => {
  // The specification's own examples, then values that try to be two things.
  const VALUES: [value: string, header: string | null][] = [
    ["us-west1", "us-west1"],
    ["Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="],
    [" padded ", "=?base64?IHBhZGRlZCA=?="],
    ["line1\nline2", "=?base64?bGluZTEKbGluZTI=?="],
    ["=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="],
    ["", "=?base64??="],
    ["a\r\nMcp-Name: b", null],
    ["\u0000", null],
  ];
  for (const [value, header] of VALUES) {
    it(`${JSON.stringify(value)} comes back as it was`, () => {
      const written = encoded(value);
      if (header !== null) expect(written).to.equal(header);
      expect(written).to.match(/^[\x20-\x7e]*$/);
      expect(decoded(written)).to.equal(value);
    });
  }

  for (const header of ["=?base64?A?=", "=?base64?!!!!?=", "=?base64?ZmluZB==?=", "=?base64?/w==?=", "=?base64? ZmluZA==?="]) {
    it(`${header} is no value`, () => {
      expect(decoded(header)).to.equal(null);
    });
  }
});

const marked = (mark: unknown, type: unknown = "string"): object => ({
  type: "object",
  properties: { region: { type, "x-mcp-header": mark } },
});

describe("an argument that a tool wants mirrored", () => {
  it("is found along properties, and nowhere else", () => {
    const deep = { type: "object", properties: { where: marked("Region") }, anyOf: [marked("Other")] };
    expect(mirroredArguments(deep)).to.deep.equal([{ header: "mcp-param-region", path: ["where", "region"] }]);
  });

  const BAD: [what: string, schema: object][] = [
    ["an empty name", marked("")],
    ["a name with a line end", marked("a\r\nb")],
    ["a name with a space", marked("a b")],
    ["a name that is no text", marked(1)],
    ["a number", marked("Region", "number")],
    ["an object", marked("Region", "object")],
    ["one name twice", { properties: { a: { type: "string", "x-mcp-header": "X" }, b: { type: "string", "x-mcp-header": "x" } } }],
  ];
  for (const [what, schema] of BAD) {
    it(`is none by ${what}`, () => {
      expect(mirroredArguments(schema)).to.equal(null);
    });
  }

  const schema = {
    properties: { region: { type: "string", "x-mcp-header": "Region" }, count: { type: "integer", "x-mcp-header": "Count" } },
  };
  const DIFFERENT: [what: string, headers: Params, given: object][] = [
    ["is missing", {}, { region: "us" }],
    ["is another", { "mcp-param-region": "eu" }, { region: "us" }],
    ["is there for no argument", { "mcp-param-region": "us" }, {}],
    ["is there for null", { "mcp-param-region": "null" }, { region: null }],
    ["is another number", { "mcp-param-count": "43" }, { count: 42 }],
    ["is a number in another form", { "mcp-param-count": "0x2a" }, { count: 42 }],
    ["is in a wrong encoding", { "mcp-param-region": "=?base64?dXM?=" }, { region: "us" }],
    ["comes twice", { "mcp-param-region": ["us", "us"] }, { region: "us" }],
  ];
  for (const [what, headers, given] of DIFFERENT) {
    it(`keeps the call out where its header ${what}`, () => {
      expect(argumentMismatch(headers, given, schema)?.code).to.equal(-32020);
    });
  }

  it("is taken where its header says the same", () => {
    expect(argumentMismatch({ "mcp-param-region": "us", "mcp-param-count": "42.0" }, { region: "us", count: 42 }, schema)).to.equal(null);
    expect(argumentMismatch({}, {}, schema)).to.equal(null);
  });

  it("is said again to the server", () => {
    expect(mirrored("tools/call", { name: "find", arguments: { region: "ü", count: 42 } }, schema)).to.deep.equal({
      "mcp-method": "tools/call",
      "mcp-name": "find",
      "mcp-param-region": "=?base64?w7w=?=",
      "mcp-param-count": "42",
    });
  });
});

describe("the _meta that a server gets", () => {
  it("has of the client's its name, its trace and what it can be asked for", () => {
    const trace = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    const capabilities = { sampling: {}, elicitation: { form: {} }, extensions: { "io.modelcontextprotocol/tasks": {} }, experimental: {} };
    const said = {
      ...metaOf(capabilities),
      [CLIENT]: { name: "host", version: "1", icons: [{ src: "https://evil.example" }] },
      "io.modelcontextprotocol/logLevel": "debug",
      "com.example/role": "admin",
      traceparent: trace,
      progressToken: "theirs",
    };
    expect(metaFor({ _meta: said }, 7)).to.deep.equal({
      ...metaOf({ elicitation: { form: {} }, sampling: {} }),
      [CLIENT]: { name: "host", version: "1" },
      traceparent: trace,
      progressToken: 7,
    });
  });

  it("says that a client of a session can't be asked for anything", () => {
    expect(metaFor({ _meta: { [CAPABILITIES]: { sampling: {} } } }, null)[CAPABILITIES]).to.deep.equal({});
  });
});

describe("a result without a session", () => {
  const ask = { method: "elicitation/create", params: {} };
  const asked = { _meta: metaOf({ elicitation: {} }) };
  const UNKNOWN: [what: string, result: Params, method?: string][] = [
    ["of an extension's kind", { resultType: "task" }],
    ["of a kind that is no text", { resultType: 1 }],
    ["that asks where nothing is asked", { resultType: "input_required", requestState: "s" }, "tools/list"],
    ["that needs something, and doesn't say what", { resultType: "input_required" }],
    ["whose state is no text", { resultType: "input_required", requestState: {} }],
    ["that asks with a list", { resultType: "input_required", inputRequests: [ask] }],
    ["that asks for what isn't known", { resultType: "input_required", inputRequests: { a: { method: "tools/call" } } }],
    ["that asks for what no object has", { resultType: "input_required", inputRequests: { a: { method: "toString" } } }],
    [
      "that asks for what the client can't do",
      { resultType: "input_required", inputRequests: { a: ask, b: { method: "sampling/createMessage" } } },
    ],
  ];
  for (const [what, result, method = "tools/call"] of UNKNOWN) {
    it(`isn't handed on ${what}`, () => {
      expect(unknownAnswer(method, { result }, asked)).to.be.a("string");
    });
  }

  it("is handed on where it is complete, or asks for what the client can do", () => {
    for (const result of [{}, { resultType: "complete" }, { resultType: "input_required", inputRequests: { a: ask }, requestState: "s" }]) {
      expect(unknownAnswer("tools/call", { result }, asked)).to.equal(null);
    }
  });

  it("is nobody else's to keep", () => {
    expect(completed("tools/list", { result: { tools: [], ttlMs: 5000, cacheScope: "public" } })).to.deep.equal({
      result: { resultType: "complete", tools: [], ttlMs: 5000, cacheScope: "private" },
    });
    expect(completed("resources/read", { result: { ttlMs: -1 } })).to.deep.include({
      result: { resultType: "complete", ttlMs: 0, cacheScope: "private" },
    });
  });

  it("that asks for something is withheld where fields are redacted, since nobody can tell where they are in it", () => {
    const result = {
      resultType: "input_required",
      inputRequests: { a: { ...ask, params: { message: "iban DE1" } } },
      requestState: "iban",
    };
    expect(JSON.stringify(redactedResult(result, ["iban"]))).to.not.match(/DE1|inputRequests|requestState/);
  });

  it("that asks for something tells the service what it says", () => {
    const said = (message: string): unknown =>
      returnedBy({ resultType: "input_required", inputRequests: { a: { ...ask, params: { message } } } });
    expect(said("secret of ada")).to.not.deep.equal(said("secret of bob"));
  });
});
