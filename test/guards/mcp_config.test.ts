/** What `guard.yaml` may say, what a call then means, and what is drafted and pinned. */
import { readFileSync } from "node:fs";
import { DEFAULT_REQUEST_TIMEOUT_MSEC } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { expect } from "chai";
import fc from "fast-check";
import { parse } from "yaml";
import { parseGuardConfig } from "../../src/guards/mcp/config.js";
import { draft } from "../../src/guards/mcp/draft.js";
import { actionOf, readMapped, withArgument, type Mapped } from "../../src/mapping/call_mapping.js";
import { differences, pinnedOf } from "../../src/guards/mcp/pins.js";
import { possibleBy } from "../../src/guards/mcp/possible.js";
import { WITHHELD, redactedResult } from "../../src/guards/mcp/redact.js";
import { REFUSALS, CallRefusal } from "../../src/mapping/call_refusal.js";
import { UriPattern } from "../../src/mapping/uri_pattern.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { compilePurposes } from "../../src/bundle/purposes.js";
import { Sheet } from "../../src/bundle/source.js";
import { canonical } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { policyData } from "../bundle/support.js";

const BASE = "remit: {url: 'http://127.0.0.1:8181'}\nagent: a\npurpose: p\nserver: {command: [node, s.js]}\n";
/** As `BASE`, with an engine in the guard. */
const IN_PROCESS = (text: string): string => BASE.replace("8181'}", `8181', in_process: {${text}}}`);

describe("a configuration of the MCP guard", () => {
  it("fills in what it leaves out, and counts paths from its own folder", () => {
    const config = parseGuardConfig(`${BASE}listen: {token_file: t}\nbundle: b.tar.gz`, "/etc/remit/guard.yaml");
    expect(config.hold_ms, "below what clients wait").to.equal(50_000).and.below(DEFAULT_REQUEST_TIMEOUT_MSEC);
    expect(config.listen).to.deep.equal({ host: "127.0.0.1", port: 8182, path: "/mcp", token_file: "/etc/remit/t" });
    expect([config.server.dir, config.bundle]).to.deep.equal(["/etc/remit", "/etc/remit/b.tar.gz"]);
    expect(config.tools.size).to.equal(0);
  });

  it("has its engine ask for the disk, and bounds what it decides by, where nothing else is said", () => {
    const { remit } = parseGuardConfig(IN_PROCESS("dir: e, bundle: {name: b, keys: [k.pem]}"), "/etc/remit/guard.yaml");
    expect(remit.in_process).to.deep.equal({
      dir: "/etc/remit/e",
      bundle: { name: "b", keys: ["/etc/remit/k.pem"], behind_ms_max: 30_000 },
      facts: { age_ms_max: 5000 },
      records: { durability: "synced", unshipped_max: 100_000, unshipped_ms_max: 60_000 },
    });
    expect(parseGuardConfig(BASE, "guard.yaml").remit.in_process, "unsaid").to.equal(undefined);
  });

  // prettier-ignore
  const WRONG: [text: string, message: string][] = [
    ["", "guard.yaml: remit: missing"],
    [IN_PROCESS("dir: e"), "guard.yaml:1: remit.in_process.bundle: missing"],
    [IN_PROCESS("bundle: {name: b, keys: [k.pem]}"), "guard.yaml:1: remit.in_process.dir: missing"],
    [IN_PROCESS("dir: e, bundle: {name: b, keys: []}"), "guard.yaml:1: remit.in_process.bundle.keys: must NOT have fewer than 1 items"],
    [IN_PROCESS("dir: e, bundle: {name: b, keys: [k.pem], file: b.tar.gz}"), "guard.yaml:1: remit.in_process.bundle.file: unknown key"],
    [IN_PROCESS("dir: e, bundle: {name: b, keys: [k.pem]}, facts: {age_ms_max: 9e9}"), "guard.yaml:1: remit.in_process.facts.age_ms_max: must be <= 3600000"],
    [IN_PROCESS("dir: e, bundle: {name: b, keys: [k.pem]}, records: {durability: never}"), "guard.yaml:1: remit.in_process.records.durability: "],
    [IN_PROCESS("dir: e, bundle: {name: b, keys: [k.pem]}, fail_open: true"), "guard.yaml:1: remit.in_process.fail_open: unknown key"],
    [`${BASE}agnet: b`, "guard.yaml:5: agnet: unknown key"],
    [BASE.replace("command: [node, s.js]", ""), "guard.yaml:4: server: either `command` or `url` says where the server is"],
    [BASE.replace("command:", "url: 'http://h', command:"), "guard.yaml:4: server: either `command` or `url` says where the server is"],
    [`${BASE}listen: {host: 0.0.0.0}`, "guard.yaml:5: listen.host: anything but a loopback address needs `token_file`: whoever reaches it acts as the agent"],
    [`${BASE}fail_open: true`, "guard.yaml:5: fail_open: unknown key"],
    [`${BASE}hold_ms: 1e9`, "guard.yaml:5: hold_ms: must be <= 3600000"],
    [`${BASE}tools:\n  t: {id: x}`, "guard.yaml:6: tools.t: an entry has one verb, such as `read: invoice`, and perhaps id, attributes, arguments, related, ignore; verbs here: none"],
    [`${BASE}tools:\n  t: {read: a, write: b}`, "guard.yaml:6: tools.t: an entry has one verb, such as `read: invoice`, and perhaps id, attributes, arguments, related, ignore; verbs here: `read`, `write`"],
    [`${BASE}tools:\n  t: {read: a, atributes: {x: y}}`, "guard.yaml:6: tools.t: an entry has one verb, such as `read: invoice`, and perhaps id, attributes, arguments, related, ignore; verbs here: `read`, `atributes`"],
    [`${BASE}tools:\n  t: {read: a b}`, "guard.yaml:6: tools.t.read: must be a name of the vocabulary"],
    [`${BASE}tools:\n  t: {read: a, id: 7}`, "guard.yaml:6: tools.t.id: must be keys with values"],
    [`${BASE}tools:\n  t: {read: a, attributes: {x: {is: [1]}}}`, "guard.yaml:6: tools.t.attributes.x: must be the name of an argument, {text: argument}, {integer: argument}, {path: argument} or {is: value}"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {form: y}}}`, "guard.yaml:6: tools.t.arguments.x.form: unknown key"],
    [`${BASE}tools:\n  t: {read: a, related: {to: {id: x}}}`, "guard.yaml:6: tools.t.related.to.type: must be a name of the vocabulary"],
    [`${BASE}tools:\n  t: {read: a, ignore: x}`, "guard.yaml:6: tools.t.ignore: must be a list of arguments"],
    [`${BASE}tools:\n  "a b": {read: a}`, "guard.yaml:6: tools.a b: no name that a server may give"],
    [`${BASE}tools:\n  read_file: {read: a}\n  Read_File: {read: a}`, "guard.yaml:7: tools.Read_File: looks like `read_file`: a model, or a person, takes one for the other"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: y}}}`, "guard.yaml:6: tools.t.arguments.x.of: must say what members of each element are: {field: member}"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: y, of: [a]}}}`, "guard.yaml:6: tools.t.arguments.x.of: must be keys with values"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: y, of: {a: b}, max: 3}}}`, "guard.yaml:6: tools.t.arguments.x.max: unknown key"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: 7, of: {a: b}}}}`, "guard.yaml:6: tools.t.arguments.x.list: must be the name of an argument"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: "", of: {a: b}}}}`, "guard.yaml:6: tools.t.arguments.x.list: must be the name of an argument"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: y, of: {a: {list: b}}}}}`, "guard.yaml:6: tools.t.arguments.x.of.a.of: must say what members"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: y, of: {a: b}, ignore: c}}}`, "guard.yaml:6: tools.t.arguments.x.ignore: must be a list of arguments"],
    [`${BASE}tools:\n  t: {read: a, id: {joined: [x]}}`, "guard.yaml:6: tools.t.id.joined: must be a list of two or more sources, what is within the others last"],
    [`${BASE}tools:\n  t: {read: a, id: {joined: x}}`, "guard.yaml:6: tools.t.id.joined: must be a list of two or more sources"],
    [`${BASE}tools:\n  t: {read: a, id: {joined: [x, y], by: "#"}}`, "guard.yaml:6: tools.t.id.by: unknown key"],
    [`${BASE}tools:\n  t: {read: a, id: {joined: [x, {listed: y}]}}`, "guard.yaml:6: tools.t.id.joined.1.listed: unknown key"],
    [`${BASE}tools:\n  t: {read: a, id: {joined: [x, {joined: [y, z]}]}}`, "guard.yaml:6: tools.t.id.joined.1.joined: unknown key"],
    [`${BASE}tools:\n  t: {read: a, id: {joined: [{path: x}, y]}}`, "guard.yaml:6: tools.t.id.joined.0: a path has parts of its own: it can only be the last"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {joined: [y, z]}}}`, "guard.yaml:6: tools.t.arguments.x.joined: unknown key"],
    [`${BASE}tools:\n  t: {read: a, id: {listed: y}}`, "guard.yaml:6: tools.t.id.listed: unknown key"],
    [`${BASE}tools:\n  t: {read: a, id: {leaves: y}}`, "guard.yaml:6: tools.t.id.leaves: unknown key"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {leaves: 7}}}`, "guard.yaml:6: tools.t.arguments.x.leaves: must be the name of an argument"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {listed: y, of: {a: b}}}}`, "guard.yaml:6: tools.t.arguments.x.listed: unknown key"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {leaves: y, z: y}, y: y.c}}`, "guard.yaml:6: tools.t.arguments.x.leaves: unknown key"],
    [`${BASE}tools:\n  t: {read: a, id: {list: y, of: {a: b}}}`, "guard.yaml:6: tools.t.id.list: unknown key"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: y, of: {a: b}}, z: y.c}}`, "guard.yaml:6: tools.t: `y` is a list in one place, and something else in another"],
    [`${BASE}tools:\n  t: {read: a, arguments: {z: y.c, x: {list: y, of: {a: b}}}}`, "guard.yaml:6: tools.t: `y` is a list in one place, and something else in another"],
    [`${BASE}tools:\n  t: {read: a, arguments: {x: {list: y, of: {a: b}}, z: {list: y, of: {a: c}}}}`, "guard.yaml:6: tools.t: `y` is a list in one place, and something else in another"],
    [`${BASE}task: {subjects: {"ticket id": [a]}}`, "guard.yaml:5: task.subjects.ticket id: "],
    [`${BASE}resources:\n  - {read: a}`, "guard.yaml:6: resources.0.uri: must be a URI, with {variables} for segments"],
    [`${BASE}resources:\n  - {uri: 'crm://{a}{b}', read: a}`, "guard.yaml:6: resources.0.uri: something must stand between two variables"],
    [`${BASE}resources:\n  - {uri: 'crm://{a}/{a}', read: a}`, "guard.yaml:6: resources.0.uri: a variable stands in it twice"],
    [`${BASE}resources:\n  - {uri: 'crm://{+a}', read: a}`, "guard.yaml:6: resources.0.uri: {…} must be a variable's name"],
    [`${BASE}resources:\n  - {uri: 'crm://{a}', read: a, id: b}`, "guard.yaml:6: resources.0: `uri` has no variable `b`"],
  ];
  for (const [text, message] of WRONG) {
    it(`is refused with: ${message}`, () => {
      expect(() => parseGuardConfig(text, "guard.yaml")).to.throw(message);
    });
  }
});

/** The code of what is refused, and of which argument; null where nothing is. */
function refusedAs(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    if (!(error instanceof CallRefusal)) throw error;
    return [error.code, error.argument].join(" ");
  }
}

describe("what a call means", () => {
  const mapped = readMapped({
    transfer: "account",
    id: { text: "from.number" },
    attributes: { region: { is: "eu" }, owner: "from.owner" },
    arguments: { amount: "amount_cents", note: ["memo.text"] },
    related: { to: { type: "account", id: "to" } },
    ignore: ["locale"],
  });
  const given = { from: { number: 7, owner: "ada" }, to: "A-2", amount_cents: 5, "memo.text": "hi", locale: "de" };

  it("is put together from its arguments, each where the mapping says", () => {
    expect(actionOf(mapped, given)).to.deep.equal({
      verb: "transfer",
      resource: { type: "account", id: "7", attributes: { region: "eu", owner: "ada" } },
      related: { to: { type: "account", id: "A-2", attributes: {} } },
      arguments: { amount: 5, note: "hi" },
    });
  });

  const REFUSED: [given: object, as: string][] = [
    [{ ...given, extra: 1 }, "argument_unmapped extra"],
    [{ ...given, from: { ...given.from, all: true } }, "argument_unmapped from.all"],
    [{ ...given, from: ["7"] }, "argument_unmapped from"],
    [{ ...given, from: {} }, "argument_missing from.number"],
    [{ ...given, to: undefined }, "argument_missing to"],
    [{ ...given, to: true }, "argument_invalid to"],
    [{ ...given, to: "" }, "argument_invalid to"],
    [{ ...given, to: " A-2" }, "argument_invalid to"],
    [{ ...given, to: "A-2\n" }, "argument_invalid to"],
    [{ ...given, to: "A-2\u202e" }, "argument_invalid to"],
    [{ ...given, to: "A\u0301" }, "argument_invalid to"],
  ];
  for (const [values, as] of REFUSED) {
    it(`is refused as ${as} for ${JSON.stringify(values)}`, () => {
      expect(refusedAs(() => actionOf(mapped, values as Record<string, unknown>))).to.equal(as);
    });
  }

  it("has one argument set where an answer says so, and only where one stands for it alone", () => {
    expect(withArgument(mapped, given, "amount", 1)).to.deep.equal({ ...given, amount_cents: 1 });
    expect(withArgument(mapped, given, "note", "x")).to.deep.equal({ ...given, "memo.text": "x" });
    expect(withArgument(mapped, given, "region", "us")).to.equal(null);
    expect(withArgument(mapped, given, "constructor", 1)).to.equal(null);
  });
});

describe("a list of objects in a call", () => {
  const mapped = readMapped({
    update: "file",
    id: "path",
    arguments: {
      edits: {
        list: "edits",
        of: { old_text: "oldText", new_text: "new.text", line: { integer: "line" }, kind: { is: "edit" } },
        ignore: ["id"],
      },
    },
  });
  const edit = { oldText: "a", new: { text: "b" }, line: "3" };
  const given = { path: "/a", edits: [edit, { oldText: "c", id: 7 }] };

  it("is decided on by the vocabulary's names, element by element, and without what is ignored", () => {
    expect(actionOf(mapped, given).arguments).to.deep.equal({
      edits: [
        { old_text: "a", new_text: "b", line: 3, kind: "edit" },
        { old_text: "c", kind: "edit" },
      ],
    });
    expect(actionOf(mapped, { path: "/a", edits: [] }).arguments).to.deep.equal({ edits: [] });
    expect(actionOf(mapped, { path: "/a" }).arguments).to.deep.equal({});
    expect(actionOf(mapped, { path: "/a", edits: null }).arguments).to.deep.equal({ edits: null });
  });

  it("in another list is decided on too", () => {
    const nested = readMapped({
      create: "order",
      arguments: { lines: { list: "rows", of: { parts: { list: "Parts", of: { number: "Nr" } } } } },
    });
    expect(actionOf(nested, { rows: [{ Parts: [{ Nr: 1 }] }] }).arguments).to.deep.equal({ lines: [{ parts: [{ number: 1 }] }] });
    expect(refusedAs(() => actionOf(nested, { rows: [{ Parts: [{ Nr: 1, Price: 2 }] }] }))).to.equal(
      "argument_unmapped rows.0.Parts.0.Price",
    );
  });

  const REFUSED: [edits: unknown, as: string][] = [
    [[edit, { ...edit, force: true }], "argument_unmapped edits.1.force"],
    [[{ ...edit, new: { text: "b", html: "c" } }], "argument_unmapped edits.0.new.html"],
    [[{ ...edit, new: "b" }], "argument_unmapped edits.0.new"],
    [[edit, "rm -rf"], "argument_unmapped edits.1"],
    [[null], "argument_unmapped edits.0"],
    [[[edit]], "argument_unmapped edits.0"],
    [{ 0: edit }, "argument_unmapped edits.0"],
    [edit, "argument_invalid edits"],
    [{}, "argument_invalid edits"],
    ["oldText", "argument_unmapped edits"],
    [7, "argument_unmapped edits"],
    [[{ ...edit, line: "3e2" }], "argument_invalid line"],
  ];
  for (const [edits, as] of REFUSED) {
    it(`is refused as ${as} for ${JSON.stringify(edits)}`, () => {
      expect(refusedAs(() => actionOf(mapped, { ...given, edits }))).to.equal(as);
    });
  }

  it("isn't changed for a server, since no argument of the tool stands for it", () => {
    expect(withArgument(mapped, given, "edits", [])).to.equal(null);
  });
});

describe("a file's path in a call", () => {
  const file = (id: object) => readMapped({ read: "file", id });
  const whole = file({ path: "path" });
  const within = file({ path: "path", in: "/srv/docs" });
  const CASES: [given: unknown, whole: string, within: string][] = [
    ["/srv/docs/a.txt", "/srv/docs/a.txt", "/srv/docs/a.txt"],
    ["/srv/docs/", "/srv/docs", "/srv/docs"],
    ["//srv/./docs//a.txt", "/srv/docs/a.txt", "/srv/docs/a.txt"],
    ["/", "/", "/"],
    ["a.txt", "argument_invalid path", "/srv/docs/a.txt"],
    ["./sub/a b.txt", "argument_invalid path", "/srv/docs/sub/a b.txt"],
    ["", "argument_invalid path", "/srv/docs"],
    [".", "argument_invalid path", "/srv/docs"],
    ["/srv/docs/../keys.pem", "argument_invalid path", "argument_invalid path"],
    ["..", "argument_invalid path", "argument_invalid path"],
    ["~/keys.pem", "argument_invalid path", "argument_invalid path"],
    ["C:/keys.pem", "argument_invalid path", "argument_invalid path"],
    ["/srv\\docs", "argument_invalid path", "argument_invalid path"],
    ["/srv/%2e%2e/keys.pem", "argument_invalid path", "argument_invalid path"],
    ["/srv/docs\u0000", "argument_invalid path", "argument_invalid path"],
    ["/srv/\uff0e\uff0e/a", "argument_invalid path", "argument_invalid path"],
    [`/${"x".repeat(2000)}`, "argument_invalid path", "argument_invalid path"],
    [7, "argument_invalid path", "argument_invalid path"],
    [["/srv"], "argument_invalid path", "argument_invalid path"],
    [undefined, "argument_missing path", "argument_missing path"],
  ];
  for (const [path, ofWhole, ofWithin] of CASES) {
    it(`${JSON.stringify([path]).slice(1, 31)} is ${ofWhole}, and within a folder ${ofWithin}`, () => {
      const read = (mapped: typeof whole) => {
        const ids: (string | null)[] = [];
        const refused = refusedAs(() => ids.push(actionOf(mapped, { path }).resource.id));
        return refused ?? ids[0];
      };
      expect([read(whole), read(within)]).to.deep.equal([ofWhole, ofWithin]);
    });
  }

  it("is one spelling for attributes and arguments, too", () => {
    const mapped = readMapped({ read: "note", attributes: { at: { path: "at" } }, arguments: { to: { path: "to", in: "/srv" } } });
    const { resource, arguments: given } = actionOf(mapped, { at: "/a//b/", to: "c" });
    expect([resource.attributes?.["at"], given?.["to"]]).to.deep.equal(["/a/b", "/srv/c"]);
    expect(refusedAs(() => actionOf(mapped, { at: "b" }))).to.equal("argument_invalid at");
  });

  for (const folder of ["srv", "/srv/", "/srv/..", "", 7, null]) {
    it(`isn't within ${JSON.stringify(folder)}, which is no folder's whole path`, () => {
      expect(() => file({ path: "path", in: folder })).to.throw("must be a folder's whole path, such as /srv/docs");
    });
  }
});

describe("names that can be read in two ways", () => {
  /** Spellings of one name that some reader takes for it, or for a way to it. */
  const spellings = fc.constantFrom<string>("ada", "customers/ada", "a").chain((name) =>
    fc
      .array(
        fc.constantFrom<(text: string) => string>(
          (text) => text.toUpperCase(),
          (text) => encodeURIComponent(text),
          (text) => text.replace(/[^]/g, (unit) => `%${unit.charCodeAt(0).toString(16)}`),
          (text) => `../${text}`,
          (text) => `./${text}`,
          (text) => `${text}/..`,
          (text) => `//${text}`,
          (text) => `${text}.`,
          (text) => `${text}/`,
          (text) => `${text}?x`,
          (text) => `${text}#x`,
          (text) => `${text}\0`,
          (text) => `${text}\n`,
          (text) => `\u202e${text}`,
          (text) => text.replace("a", "\u0430"),
          (text) => text.replace("a", "a\u0301"),
          (text) => text.replace("a", "\uff41"),
          (text) => text.replace("/", "\u2215"),
          (text) => text.replace("/", "\\"),
          (text) => ` ${text}`,
          (text) => `${text}\u200b`,
        ),
        { minLength: 0, maxLength: 3 },
      )
      .map((changes) => changes.reduce<string>((text, change) => change(text), name)),
  );
  const byId = readMapped({ read: "customer", id: "id" });
  const pattern = new UriPattern("crm://customers/{id}/notes");

  it("are refused, or decided on exactly as the server would read them", () => {
    fc.assert(
      fc.property(spellings, (id) => {
        const refused = refusedAs(() => actionOf(byId, { id }));
        if (refused === null) expect(actionOf(byId, { id }).resource.id).to.equal(id);
        const values = pattern.match(`crm://customers/${id}/notes`);
        if (values === null) return;
        expect(values).to.deep.equal({ id });
        expect(id).to.match(/^[^/?#%\\]+$/);
        expect(id).not.to.match(/^\.{1,2}$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("match no pattern with another case, scheme, or anything before or behind", () => {
    for (const uri of [
      "CRM://customers/ada/notes",
      "crm://Customers/ada/notes",
      "crm://customers/ada/notes/",
      "xcrm://customers/ada/notes",
      "crm://customers//notes",
      "crm://customers/../notes",
      "crm://customers/a%2fb/notes",
      "crm://customers/ada/notes?all",
      "crm://customers/ada/notes\n",
    ]) {
      expect(pattern.match(uri), uri).to.equal(null);
    }
  });
});

describe("what must not be shown", () => {
  const fields = ["iban", "card"];
  const shown = (result: object): unknown => redactedResult(result, fields);
  it("is taken out of structured content, and of text that is JSON, wherever it stands", () => {
    const held = { a: [{ iban: "DE02", b: 1 }], card: { number: 1 } };
    const out = { a: [{ iban: "[redacted]", b: 1 }], card: "[redacted]" };
    expect(shown({ content: [{ type: "text", text: JSON.stringify(held) }], structuredContent: held, isError: true })).to.deep.equal({
      content: [{ type: "text", text: JSON.stringify(out) }],
      structuredContent: out,
      isError: true,
    });
    expect(shown({ contents: [{ uri: "a:b", mimeType: "application/json", text: JSON.stringify(held) }] })).to.deep.equal({
      contents: [{ uri: "a:b", text: JSON.stringify(out) }],
    });
  });

  it("is in no member that isn't what the protocol has there", () => {
    const held = { iban: "DE02" };
    const odd = { isError: held, resultType: held, contents: [{ uri: held, text: "{}" }], messages: [{ role: held, content: {} }] };
    expect(JSON.stringify(shown(odd))).to.not.include("DE02");
  });

  const WITHHELD_WHOLE: [what: string, content: unknown][] = [
    ["other text", { type: "text", text: "the iban is DE02" }],
    ["a JSON text that is a text", { type: "text", text: JSON.stringify("the iban is DE02") }],
    ["JSON with something behind it", { type: "text", text: '{"iban":"DE02"} DE02' }],
    ["an image", { type: "image", data: "aaaa", mimeType: "image/png" }],
    ["sound", { type: "audio", data: "aaaa", mimeType: "audio/wav" }],
    ["a link", { type: "resource_link", uri: "a:DE02", name: "DE02" }],
    ["what no revision names", { type: "hologram", text: "DE02" }],
    ["what is no content", "DE02"],
  ];
  for (const [what, content] of WITHHELD_WHOLE) {
    it(`is withheld with ${what}`, () => {
      expect(shown({ content: [content] })).to.deep.equal({ content: [{ type: "text", text: WITHHELD }] });
    });
  }

  it("leaves out what no revision names, and files", () => {
    expect(shown({ content: [], extra: "DE02", _meta: { iban: "DE02" } })).to.deep.equal({ content: [] });
    const file = { type: "resource", resource: { uri: "a:b", blob: "aaaa" } };
    expect(shown({ content: [file] })).to.deep.equal({ content: [{ type: "resource", resource: { uri: "a:b", text: WITHHELD } }] });
  });
});

describe("a tool's definition", () => {
  const tool = { name: "t", description: "d", inputSchema: { type: "object" } };
  it("is pinned without what is the transport's, and differs by anything else", () => {
    const pinned = pinnedOf({ ...tool, _meta: { at: 1 } });
    expect(pinned).to.deep.equal(tool);
    expect(differences(tool, { ...tool })).to.deep.equal([]);
    expect(differences(tool, { name: "t", inputSchema: { type: "object" }, description: "d" })).to.deep.equal([]);
    expect(differences(tool, { ...tool, description: "d ", icons: [] })).to.deep.equal(["description", "icons"]);
  });

  it("that no task and no grant would be permitted isn't worth showing", () => {
    const data = policyData();
    const entry = data.purposes["testing"]?.allow["note"]?.["read"]?.[0];
    if (entry === undefined) throw new Error("no entry");
    const never = (changes: object): ReturnType<typeof possibleBy> =>
      possibleBy(
        {
          ...data,
          purposes: {
            testing: { ...data.purposes["testing"], never: { note: { read: [{ ...entry, about: "any", ...changes }] } } } as never,
          },
        },
        "testing",
      );
    const read = readMapped({ read: "note" });
    expect(possibleBy(data, "testing")(read)).to.equal(true);
    expect(never({})(read)).to.equal(false);
    expect(never({ about: "other" })(read)).to.equal(true);
    expect(never({ when: [{ name: "x", path: ["x"], op: "in", value: [] }] })(read)).to.equal(true);
    for (const unknown of [{ write: "note" }, { read: "constructor" }, { valueOf: "note" }])
      expect(possibleBy(data, "testing")(readMapped(unknown))).to.equal(false);
  });
});

describe("an id of several arguments", () => {
  const issue = readMapped({ read: "issue", id: { joined: ["owner", "repo", "number"] }, ignore: ["page"] });
  const file = readMapped({ read: "file", id: { joined: ["owner", "repo", { path: "path", in: "/" }] } });
  const idOf = (mapped: Mapped, values: Record<string, unknown>): unknown => actionOf(mapped, values).resource.id;

  it("is their texts, the last within the others", () => {
    expect(idOf(issue, { owner: "acme", repo: "app", number: 5 })).to.equal("acme/app/5");
    expect(idOf(file, { owner: "acme", repo: "app", path: "docs/./a.md" })).to.equal("/acme/app/docs/a.md");
    expect(idOf(file, { owner: "acme", repo: "app", path: "/" })).to.equal("/acme/app");
    const related = readMapped({ move: "card", id: "card", related: { to: { type: "list", id: { joined: ["board", { is: 7 }] } } } });
    expect(actionOf(related, { card: "c", board: "b" }).related?.["to"]?.id).to.equal("b/7");
  });

  const REFUSED: [values: Record<string, unknown>, code: string][] = [
    [{ owner: "acme", repo: "app" }, "argument_missing number"],
    [{ owner: null, repo: "app", number: 5 }, "argument_missing owner"],
    [{ owner: "acme", repo: "", number: 5 }, "argument_invalid repo"],
    [{ owner: "acme", repo: " app", number: 5 }, "argument_invalid repo"],
    [{ owner: "acme", repo: "app", number: 5.5 }, "argument_invalid number"],
    [{ owner: "acme", repo: ["app"], number: 5 }, "argument_invalid repo"],
    [{ owner: "a".repeat(200), repo: "b".repeat(200), number: "c".repeat(200) }, "argument_invalid number"],
    [{ owner: "acme", repo: "app", number: 5, org: "x" }, "argument_unmapped org"],
  ];
  for (const [values, code] of REFUSED) {
    it(`is none of ${JSON.stringify(values).slice(0, 60)}: ${code}`, () => {
      expect(refusedAs(() => actionOf(issue, values))).to.equal(code);
    });
  }

  it("is refused where the path within leads elsewhere than it says", () => {
    for (const path of ["../b/x", "a/../../x", "~/x", "a%2Fb", "C:/x"])
      expect(
        refusedAs(() => actionOf(file, { owner: "acme", repo: "app", path })),
        path,
      ).to.equal("argument_invalid path");
  });

  it("is refused where a part before a path is no plain segment", () => {
    for (const repo of ["..", ".", "b.", "b?", "b#", "a/b"])
      expect(
        refusedAs(() => actionOf(file, { owner: "acme", repo, path: "x" })),
        repo,
      ).to.equal("argument_invalid repo");
  });

  it("has an integer in one spelling", () => {
    const numbered = readMapped({ read: "issue", id: { joined: ["repo", { integer: "number" }] } });
    expect([5, "5"].map((number) => idOf(numbered, { repo: "a", number }))).to.deep.equal(["a/5", "a/5"]);
    for (const number of ["05", "5.0", "+5", "\uff15", 5.5, ""])
      expect(
        refusedAs(() => actionOf(numbered, { repo: "a", number })),
        String(number),
      ).to.equal("argument_invalid number");
  });

  it("stays what was decided on: none of its parts is changed", () => {
    const mapped = readMapped({
      read: "issue",
      id: { joined: ["repo", "at.number"] },
      arguments: { repo: "repo", at: "at", note: "note" },
    });
    const values = { repo: "a", at: { number: 5 }, note: "n" };
    expect([withArgument(mapped, values, "repo", "b"), withArgument(mapped, values, "at", { number: 6 })]).to.deep.equal([null, null]);
    expect(withArgument(mapped, values, "note", "m")).to.deep.equal({ ...values, note: "m" });
  });

  it("is of one list of arguments alone, whatever stands in them", () => {
    const text = fc.stringMatching(/^[a/%2F.5]{1,6}$/);
    const given = fc.record({ owner: text, repo: text, number: text });
    fc.assert(
      fc.property(given, given, (a, b) => (JSON.stringify(a) === JSON.stringify(b)) === (idOf(issue, a) === idOf(issue, b))),
      { numRuns: 20_000 },
    );
    expect(idOf(issue, { owner: "a/b", repo: "c", number: "d" })).to.equal("a%2Fb/c/d");
    expect(idOf(issue, { owner: "a%2Fb", repo: "c", number: "d" })).to.equal("a%252Fb/c/d");
  });
});

describe("a draft", () => {
  const SURVEY = { server: "x", instructions: null, prompts: [], resources: [], templates: [] };
  const drafted = (tools: object[], more: object = {}): ReturnType<typeof draft> =>
    draft({ ...SURVEY, tools, ...more }, { server: { command: ["node", "s.js"] } });
  const schema = (properties: object, required = Object.keys(properties)): object => ({
    inputSchema: { type: "object", properties, required },
  });

  /** That the policy set's own compiler takes it. */
  function compiles({ files }: ReturnType<typeof draft>): void {
    const vocabulary = new Sheet("vocabulary.yaml", files["vocabulary.yaml"]);
    const purposes = new Sheet("purposes.yaml", files["purposes.yaml"]);
    compilePurposes(purposes, compileVocabulary(vocabulary));
    const wrong = [...vocabulary.notes, ...purposes.notes].filter(({ severity }) => severity === "error");
    expect(wrong).to.deep.equal([]);
    parseGuardConfig(files["guard.yaml"], "guard.yaml");
  }

  it("believes no field of what is read at a place, whose author names the fields", () => {
    const made = drafted(
      [
        { name: "read_file", ...schema({ path: { type: "string" } }) },
        { name: "fetch_page", ...schema({ url: { type: "string" } }) },
        { name: "get_order", ...schema({ order_id: { type: "string" } }) },
        { name: "search_files", ...schema({ path: { type: "string" }, pattern: { type: "string" } }) },
      ],
      { resources: [{ uri: "notes://all/today" }] },
    );
    compiles(made);
    const { types } = parse(made.files["vocabulary.yaml"]) as { types: Record<string, { writes?: object } | null> };
    const believed = Object.entries(types).filter(([, type]) => type?.writes !== undefined);
    expect(believed.map(([name]) => name)).to.deep.equal(["order"]);
  });

  it("takes a file for one resource, whichever tool takes it and by whichever argument", () => {
    const text = { type: "string" };
    const inVault = { ...text, description: "Path relative to the vault" };
    const tools = {
      ...{
        read_file: { path: text },
        read_text_file: { path: text, head: { type: "integer" } },
        read_multiple_files: { paths: { type: "array", items: text } },
      },
      ...{
        write_file: { path: text, content: text },
        create_directory: { path: text },
        list_directory: { path: text },
        directory_tree: { path: text },
      },
      ...{
        move_file: { source: text, destination: text },
        copyFile: { from: text, to: text },
        search_files: { path: text, pattern: text },
      },
      ...{
        get_file_contents: { owner: text, repo: text, path: text },
        list_allowed_directories: {},
        open_note: { path: inVault },
        list_mails: { folder: text },
        move_mail: { id: text, folder: text },
      },
    };
    const found = drafted(Object.entries(tools).map(([name, properties]) => ({ name, ...schema(properties) })));
    compiles(found);
    const lines = found.files["guard.yaml"].split("\n").flatMap((line) => /^ {2}(\S.*)$/.exec(line)?.[1] ?? []);
    expect(lines).to.deep.equal([
      'read_file: {read: file, id: {path: path, in: "/"}}',
      'read_text_file: {read: file, id: {path: path, in: "/"}, arguments: {head: head}}',
      "# read_multiple_files: one call names several files (paths); what reads one is asked for each",
      'write_file: {write: file, id: {path: path, in: "/"}, arguments: {content: content}}',
      'create_directory: {create: folder, id: {path: path, in: "/"}}',
      'list_directory: {list: folder, id: {path: path, in: "/"}}',
      'directory_tree: {list: folder, id: {path: path, in: "/"}}',
      'move_file: {move: file, id: {path: source, in: "/"}, related: {to: {type: file, id: {path: destination, in: "/"}}}}',
      'copyFile: {copy: file, id: {path: from, in: "/"}, related: {to: {type: file, id: {path: to, in: "/"}}}}',
      'search_files: {search: file, id: {path: path, in: "/"}, arguments: {pattern: pattern}}',
      'get_file_contents: {read: file, id: {path: path, in: "/"}, arguments: {owner: owner, repo: repo}}',
      "list_allowed_directories: {search_all: folder}",
      'open_note: {create: note, id: {path: path, in: "/"}}',
      "list_mails: {search_all: mail, arguments: {folder: folder}}",
      "move_mail: {update: mail, id: id, arguments: {folder: folder}}",
    ]);
    const { types, verbs } = parse(found.files["vocabulary.yaml"]) as Record<"types" | "verbs", Record<string, Record<string, unknown>>>;
    expect(types["file"]).to.deep.include({ id: "path", related: { to: "file" } });
    expect(types["file"]?.["roles"]).to.deep.include({ id: "locator", "related.to": "locator" });
    expect(types["file"]).to.not.have.property("writes");
    // A file is longer than a name, and is asked about whole.
    expect(types["file"]?.["arguments"]).to.deep.include({ content: { string: { max: 60_000 } }, pattern: { string: { max: 4096 } } });
    expect(types["folder"]?.["writes"]).to.deep.equal({ files: "service", name: "service", path: "service" });
    expect(verbs["list"]).to.deep.include({ class: "read", effect: "look" });
    const remarks = found.remarks.join("\n");
    expect(remarks).to.include("`read_multiple_files`: one call names several files");
    expect(remarks).to.match(
      /`read_file`, .*`search_files`: relative paths are taken to be in `\/`; where the server looks for them elsewhere/,
    );
    expect(remarks).to.not.match(/`open_note`|`get_file_contents`/);
  });

  const FOLDERS: [what: string, command: string[], id: string, remark: string][] = [
    [
      "in the folder that its command names",
      ["node", "/opt/server.js", "/srv/docs"],
      '{path: path, in: "/srv/docs"}',
      "are taken to be in `/srv/docs`",
    ],
    [
      "there if a slash ends it",
      ["node", "/opt/server.js", "/srv/site.io/"],
      '{path: path, in: "/srv/site.io"}',
      "are taken to be in `/srv/site.io`",
    ],
    ["refused where it names one that depends on where it is started", ["npx", "fs", "./a", "/srv/b"], "{path: path}", "are refused"],
    ["refused where it names several", ["npx", "server", "/srv/a", "/srv/b"], "{path: path}", "are refused"],
    [
      "in its root where it names none",
      ["/usr/bin/server", "--root=/srv", "-v", "/a:/b"],
      '{path: path, in: "/"}',
      "are taken to be in `/`",
    ],
  ];
  for (const [what, command, id, remark] of FOLDERS) {
    it(`takes a server's relative paths to be ${what}, and says so`, () => {
      const tools = [{ name: "read_file", ...schema({ path: { type: "string" } }) }];
      const { files, remarks } = draft({ ...SURVEY, tools }, { server: { command } });
      expect(files["guard.yaml"]).to.contain(`read_file: {read: file, id: ${id}}`);
      expect(remarks.join()).to.contain(`\`read_file\`: relative paths ${remark}`);
    });
  }

  const OTHERS: [tool: string, parameters: string[], verb: string, type: string, effect: string][] = [
    ["delete_directory_tree", ["path"], "delete", "folder", "destroy"],
    ["remove_tree", ["path"], "delete", "folder", "destroy"],
    ["add_to_list", ["file_path"], "create", "list", "alter"],
    ["send_file_copy", ["file_path", "to"], "send", "file", "alter"],
    ["move_mail_to_folder", ["from", "to"], "change", "mail_to_folder", "keep"],
    ["list_file_comments", ["path"], "search", "file", "look"],
    ["list_mails_in_folder", ["folder_path"], "search", "file", "look"],
    ["search_directory", ["directory", "pattern"], "search", "file", "look"],
    ["get_folder", ["folder_id"], "read", "folder_record", "look"],
    ["get_secret", ["path"], "read", "secret", "look"],
    ["copy_file", ["source", "destination"], "copy", "file", "alter"],
    ["rename_file", ["old_path", "new_path"], "move", "file", "alter"],
  ];
  for (const [name, parameters, verb, type, effect] of OTHERS) {
    it(`takes ${name}(${parameters.join(", ")}) beside files for \`${verb}\` of a ${type}, which is \`${effect}\``, () => {
      const text = { type: "string" };
      const tool = { name, ...schema(Object.fromEntries(parameters.map((one) => [one, text]))) };
      const found = drafted([{ name: "read_file", ...schema({ path: text }) }, tool]);
      compiles(found);
      const entry = (parse(found.files["guard.yaml"]) as { tools: Record<string, Record<string, unknown>> }).tools[name] ?? {};
      expect(entry[verb]).to.equal(type);
      const { verbs, types } = parse(found.files["vocabulary.yaml"]) as {
        verbs: Record<string, { class: string; effect: string }>;
        types: Record<string, { effects?: Record<string, string>; roles?: Record<string, string>; writes?: unknown }>;
      };
      expect(types[type]?.effects?.[verb] ?? verbs[verb]?.effect).to.equal(effect);
      expect(verbs[verb]?.class === "read").to.equal(effect === "look");
      if (parameters.includes("to") && verb !== "move") expect(types[type]?.roles?.["to"]).to.equal("destination");
      if (type !== "folder") expect(Object.keys(Object(types[type]?.writes) as object)).to.not.include("files");
    });
  }

  it("names a thing by all arguments that belong to its name, and keeps each to be looked at", () => {
    const [text, number] = [{ type: "string" }, { type: "number" }];
    const issue = { owner: text, repo: text, issue_number: number };
    const tools = {
      ...{ get_issue: issue, update_issue: { ...issue, title: text }, add_issue_comment: { ...issue, body: text } },
      // In another order, which is none of the name's.
      ...{ delete_issue: { issue_number: number, repo: text, owner: text } },
      ...{ get_commit: { owner: text, repo: text, sha: text }, get_commit_files: { owner: text, repo: text, sha: text } },
      ...{ delete_branch: { owner: text, repo: text, branch: text }, get_file_contents: { owner: text, repo: text, path: text } },
      // To whom a card is given, and where it goes, is no part of its name.
      ...{ get_card: { card_id: text }, assign_card: { card_id: text, user_id: text }, move_card: { card_id: text, list_id: text } },
      ...{ merge_cards: { from_card_id: text, to_card_id: text }, describe_room: { name: text }, type_text: { text, room_id: text } },
    };
    const found = drafted(Object.entries(tools).map(([name, properties]) => ({ name, ...schema(properties) })));
    compiles(found);
    const { tools: mapped } = parse(found.files["guard.yaml"]) as { tools: Record<string, { id?: unknown; arguments?: object }> };
    const ids = Object.fromEntries(Object.entries(mapped).map(([name, { id }]) => [name, id ?? null]));
    expect(ids).to.deep.equal({
      get_issue: { joined: ["owner", "repo", { integer: "issue_number" }] },
      update_issue: { joined: ["owner", "repo", { integer: "issue_number" }] },
      add_issue_comment: null,
      get_commit: { joined: ["owner", "repo", "sha"] },
      get_commit_files: { joined: ["owner", "repo", "sha"] },
      delete_branch: { joined: ["owner", "repo", "branch"] },
      get_file_contents: { joined: ["owner", "repo", { path: "path", in: "/" }] },
      delete_issue: { joined: ["owner", "repo", { integer: "issue_number" }] },
      get_card: "card_id",
      assign_card: "card_id",
      move_card: "card_id",
      merge_cards: null,
      describe_room: "name",
      type_text: "room_id",
    });
    expect(Object.keys(mapped["update_issue"]?.arguments ?? {})).to.deep.equal(["owner", "repo", "issue_number", "title_value"]);
    const { types } = parse(found.files["vocabulary.yaml"]) as { types: Record<string, { id?: string; roles: object }> };
    expect(types["issue"]?.roles).to.include({ owner: "destination", repo: "destination", issue_number: "locator" }).and.not.have.key("id");
    expect(types["file"]).to.deep.include({ id: "path" });
    expect(types["file"]?.roles).to.include({ id: "locator" });
  });

  it("leaves out a tool that takes several files, whatever else it takes", () => {
    const [text, list] = [{ type: "string" }, { type: "array", items: { type: "string" } }];
    for (const [name, properties, required] of [
      ["delete_files", { path: text, paths: list }, ["path", "paths"]],
      ["remove_files", { paths: list }, []],
      ["erase_files", { files: list }, ["files"]],
      ["push_files", { files: { type: "array", items: { type: "object", properties: { path: text, content: text } } } }, ["files"]],
    ] as const) {
      const { files } = drafted([{ name, ...schema(properties, [...required]) }]);
      expect(files["guard.yaml"]).to.contain(`  # ${name}: one call names several files`);
    }
  });

  it("says of a tool what it does to what, and with which arguments", () => {
    const { files } = drafted([
      { name: "getUserDetails", ...schema({ userId: { type: "integer" } }) },
      { name: "list-issues", ...schema({ state: { type: "string", enum: ["open", "closed"] }, limit: { type: "integer" } }) },
      { name: "read_file", ...schema({ path: { type: "string" } }) },
      {
        name: "send_email",
        ...schema({ to: { type: "array", items: { type: "string", format: "email" } }, body: { type: "string", maxLength: 100 } }),
      },
    ]);
    const { tools } = parseGuardConfig(files["guard.yaml"], "guard.yaml");
    const said = [...tools].map(([name, { verb, type, id }]) => [
      name,
      verb,
      type,
      id?.map((part) => ("from" in part ? `${part.as} ${part.from.join(".")}` : "constant")).join() ?? null,
    ]);
    expect(said).to.deep.equal([
      ["getUserDetails", "read", "user_detail", "integer userId"],
      ["list-issues", "search", "issue", null],
      ["read_file", "read", "file", "path path"],
      ["send_email", "send", "email", null],
    ]);
    expect(files["vocabulary.yaml"]).to.contain("  issue:\n    arguments: {state: [open, closed], limit: integer}");
    expect(files["vocabulary.yaml"]).to.contain("  file:\n    id: path");
    expect(files["purposes.yaml"]).not.to.match(/^ {2}(allow|never):/m);
    compiles({ files, remarks: [] });
  });

  it("takes ids that a server gives for its own word in answers, and no place that something can be sent to", () => {
    const { files } = drafted([
      { name: "list_shelves", ...schema({ room: { type: "string" } }) },
      { name: "reserveShelf", ...schema({ shelfIds: { type: "array", items: { type: "string" } }, "slot.id": { type: "string" } }) },
      { name: "post_note", ...schema({ channel_id: { type: "string" }, note_id: { type: "string" } }) },
    ]);
    const { types, flow } = parse(files["vocabulary.yaml"]) as {
      types: Record<string, { writes: string }>;
      flow: { writes: Record<string, string> };
    };
    for (const { writes } of Object.values(types)) expect(writes).to.equal("common");
    expect(flow.writes).to.include({ shelfId: "service", note_id: "service", id: "service", sender: "author" });
    expect(flow.writes).to.not.have.any.keys("channel_id", "slot.id", "room");
  });

  it("takes what may be null for what it is else", () => {
    const orNull = (type: object): object => ({ anyOf: [type, { type: "null" }], default: null });
    const { files, remarks } = drafted([
      { name: "get_note", ...schema({ note_id: orNull({ type: "string" }) }) },
      {
        name: "send_mail",
        ...schema({
          cc: orNull({ type: "array", items: { type: "string" } }),
          count: { type: ["integer", "null"] },
        }),
      },
    ]);
    expect(files["guard.yaml"]).to.contain("get_note: {search: note, arguments: {note_id: note_id}}");
    expect(files["vocabulary.yaml"]).to.contain("arguments: {cc: {list: {string: {max: 4096}}, max: 100}, count: integer}");
    compiles({ files, remarks });
  });

  const OPTIONAL: [title: string, tool: object, entry: string][] = [
    ["that is required", { ...schema({ note_id: { type: "string" } }) }, "get_note: {read: note, id: note_id}"],
    ["that may be left out", { ...schema({ note_id: { type: "string" } }, []) }, "get_note: {search: note, arguments: {note_id: note_id}}"],
    [
      "of a schema that requires nothing",
      { inputSchema: { type: "object", properties: { id: { type: "string" } } } },
      "get_note: {search: note, arguments: {id_value: id}}",
    ],
    [
      "of a schema whose `required` is no list",
      { inputSchema: { type: "object", properties: { id: { type: "string" } }, required: "id" } },
      "get_note: {search: note, arguments: {id_value: id}}",
    ],
    [
      "that may be null",
      { ...schema({ note_id: { type: ["string", "null"] } }) },
      "get_note: {search: note, arguments: {note_id: note_id}}",
    ],
    [
      "beside one that may be left out",
      { ...schema({ id: { type: "string" }, note: { type: "string" } }, ["note"]) },
      "get_note: {read: note, id: note, arguments: {id_value: id}}",
    ],
  ];
  for (const [title, tool, entry] of OPTIONAL) {
    it(`of a tool with an argument for the id ${title}: ${entry}`, () => {
      const found = drafted([{ name: "get_note", ...tool }]);
      expect(found.files["guard.yaml"]).to.contain(entry);
      compiles(found);
      if (entry.includes("search")) expect(found.remarks.join()).to.match(/a call may leave `(note_)?id` out/);
    });
  }

  it("of a tool whose argument may be left out takes a call without it", () => {
    const { files } = drafted([{ name: "get_note", ...schema({ note_id: { type: "string" } }, []) }]);
    const tool = parseGuardConfig(files["guard.yaml"], "guard.yaml").tools.get("get_note");
    expect(tool).to.not.equal(undefined);
    if (tool !== undefined)
      expect(actionOf(tool, {})).to.deep.include({ verb: "search", resource: { type: "note", id: null, attributes: {} } });
  });

  const SAYS_IT_CHANGES: [name: string, properties: object][] = [
    ["search_feedback", { rating: { type: "string" } }],
    ["get_ticket", { ticket_id: { type: "string" } }],
    ["list_directory", { path: { type: "string" } }],
    ["download_page", { url: { type: "string" } }],
  ];
  for (const [name, properties] of SAYS_IT_CHANGES) {
    it(`has no read of ${name}, whose server says that it doesn't only read`, () => {
      const looks = { name: "search_tickets", annotations: { readOnlyHint: true }, ...schema({ query: { type: "string" } }) };
      const found = drafted([{ name, annotations: { readOnlyHint: false }, ...schema(properties) }, looks]);
      compiles(found);
      const { tools } = parse(found.files["guard.yaml"]) as { tools: Record<string, Record<string, unknown>> };
      const { verbs } = parse(found.files["vocabulary.yaml"]) as { verbs: Record<string, { class: string; effect?: string }> };
      const [verb = ""] = Object.keys(tools[name] ?? {});
      expect(verbs[verb]?.class).to.equal("write");
      expect(verbs[verb]?.effect).to.not.equal("look");
      expect(verbs["search"]).to.deep.include({ class: "read", effect: "look" });
    });
  }

  // prettier-ignore
  const ODD: [what: string, tools: object[], remark: RegExp | null][] = [
    ["a name that isn't one", [{ name: "rm -rf /\n- evil: true" }], /left out/],
    ["two of one name", [{ name: "a", ...schema({}) }, { name: "a", ...schema({}) }], /listed twice/],
    ["words that mean something else", ["on", "off", "yes", "no", "y", "n", "true", "null", "when", "about", "proceed", "constructor", "task"].map((name) => ({ name, ...schema({ [name]: { type: "string" } }) })), null],
    ["a verb with and without an id, and as another class", [{ name: "run_job", ...schema({ job_id: { type: "string" } }) }, { name: "run_all", ...schema({}) }, { name: "run_query", annotations: { readOnlyHint: true }, ...schema({ query: { type: "string" } }) }], null],
    ["one argument with two types", [{ name: "get_a", ...schema({ x: { type: "string" }, a_id: { type: "string" } }) }, { name: "fetch_a", ...schema({ x: { type: "integer" }, a_id: { type: "string" } }) }], null],
    ["a schema that is none", [{ name: "get_a", inputSchema: "object" }], /no argument looks like the id/],
    ["what a vocabulary has no type for", [{ name: "save", ...schema({ blob: {}, either: { oneOf: [] }, rows: { type: "array", items: { type: "array" } }, "bad name": { type: "object", properties: { "Ü": {} } } }) }], null],
    ["names of arguments that YAML and people could take for more", [{ name: "get_a", ...schema({ "a: {b": { type: "string" }, "x\ny": { type: "string" }, "z.w": { type: "string" }, "#": { type: "boolean" } }) }], null],
    ["more arguments than a type may have", [{ name: "create_a", ...schema(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, { type: "string" }]))) }], /`f65`, .* is one argument too many for a type/],
  ];
  for (const [what, tools, remark] of ODD) {
    it(`of ${what} is one that can be built`, () => {
      const found = drafted(tools);
      compiles(found);
      if (remark !== null) expect(found.remarks.join("\n")).to.match(remark);
    });
  }

  it("has an argument for each name that JSON has, and decides on each value under its own", () => {
    const names = [
      "",
      "a.b",
      "ü",
      "ö",
      "ä",
      "fooBar",
      "foo_bar",
      "foo-bar",
      "FOO BAR",
      "__proto__",
      "constructor",
      "$ref",
      "9",
      "true",
      "a\nb",
    ];
    const properties = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
    const found = drafted([{ name: "save", ...schema(properties) }]);
    compiles(found);
    expect(found.remarks.join()).not.to.match(/has no type/);
    const tool = parseGuardConfig(found.files["guard.yaml"], "guard.yaml").tools.get("save");
    if (tool === undefined) throw new Error("no tool");
    const values = Object.fromEntries(names.map((name, i) => [name, `value ${i}`]));
    const action = actionOf(tool, values);
    expect(Object.values(action.arguments ?? {}).sort()).to.deep.equal(Object.values(values).sort());
    expect(refusedAs(() => actionOf(tool, { ...values, fooBaz: "x" }))).to.equal("argument_unmapped fooBaz");
  });

  it("has lists of objects whose members have names of their own, and members of objects as arguments of theirs", () => {
    const text = { type: "string" };
    const found = drafted([
      {
        name: "edit_file",
        ...schema({
          path: text,
          edits: { type: "array", items: { type: "object", properties: { oldText: text, newText: text, old_text: { type: "boolean" } } } },
          options: { type: "object", properties: { dryRun: { type: "boolean" }, "x.y": text } },
          rows: { type: "array", items: { type: "object", properties: { name: text } } },
        }),
      },
    ]);
    compiles(found);
    expect(found.remarks.join()).not.to.match(/has no type/);
    expect(found.files["guard.yaml"]).to.contain(
      "edits: {list: edits, of: {old_text: oldText, new_text: newText, old_text_2: old_text}}, options_dry_run: options.dryRun, options_x_y: [options, x.y], rows: rows}",
    );
    const tool = parseGuardConfig(found.files["guard.yaml"], "guard.yaml").tools.get("edit_file");
    if (tool === undefined) throw new Error("no tool");
    const given = {
      path: "/a",
      edits: [{ oldText: "a", newText: "b", old_text: true }],
      options: { dryRun: true, "x.y": "z" },
      rows: [{ name: "n" }],
    };
    expect(actionOf(tool, given).arguments).to.deep.equal({
      edits: [{ old_text: "a", new_text: "b", old_text_2: true }],
      options_dry_run: true,
      options_x_y: "z",
      rows: [{ name: "n" }],
    });
    expect(refusedAs(() => actionOf(tool, { ...given, options: { dryRun: true, force: true } }))).to.equal(
      "argument_unmapped options.force",
    );
  });

  it("says what a look's argument is for where that is a thing or somebody, which only a plan asks, and of no other", () => {
    const text = { type: "string" };
    const named = { order_id: text, file_path: text, username: text, email: text, query: text, limit: { type: "integer" }, name: text };
    const found = drafted([{ name: "search_orders", ...schema(named, []) }]);
    compiles(found);
    const { types } = parse(found.files["vocabulary.yaml"]) as { types: Record<string, { roles: object }> };
    expect(types["order"]?.roles).to.deep.equal({ order_id: "locator", file_path: "locator", username: "locator", email: "locator" });
  });

  it("says which fields hold secrets, and no short ones", () => {
    const found = drafted([{ name: "get_customer", ...schema({ customer_id: { type: "string" } }) }]);
    compiles(found);
    const { flow } = parse(found.files["vocabulary.yaml"]) as { flow: { secret_fields: string[] } };
    expect(flow.secret_fields).to.include.members(["card_number", "cardNumber", "ssn", "private_key", "privateKey", "password"]);
    expect(flow.secret_fields).to.not.have.any.members(["pin", "cvv", "code", "token", "id"]);
  });

  it("takes a list for a destination where a member of its elements is one, and never for less than its own name says", () => {
    const text = { type: "string" };
    const list = (properties: object): object => ({ type: "array", items: { type: "object", properties } });
    const { files } = drafted([
      {
        name: "send_batch",
        ...schema({
          parcels: list({ weight: { type: "integer" }, toAddress: text, label: text }),
          letters: list({ body: text, envelope: { type: "object", properties: { recipient: text } } }),
          recipients: list({ body: text }),
          pages: list({ size: { type: "integer" } }),
        }),
      },
    ]);
    expect(files["vocabulary.yaml"]).to.match(/roles: \{parcels: destination, letters: destination, recipients: destination\}/);
  });

  const ONE_OR_MORE: [what: string, of: object][] = [
    ["anyOf", { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] }],
    ["oneOf, the list first", { oneOf: [{ type: "array", items: { type: "string" } }, { type: "string" }] }],
    ["anyOf, or null", { anyOf: [{ type: "array", items: { type: "string" } }, { type: "string" }, { type: "null" }] }],
    ["types", { type: ["string", "array"], items: { type: "string" } }],
    ["a list of anything", { anyOf: [{ type: "string" }, { type: "array" }] }],
  ];
  for (const [what, of] of ONE_OR_MORE) {
    it(`takes what may be one value or a list, by ${what}, for a list, which is looked at as one`, () => {
      const found = drafted([{ name: "send_mail", ...schema({ to: of, cc: of }) }]);
      compiles(found);
      expect(found.files["guard.yaml"]).to.contain("send_mail: {send: mail, arguments: {to: {listed: to}, cc: {listed: cc}}}");
      expect(found.files["vocabulary.yaml"]).to.contain(
        "arguments: {to: {list: {string: {max: 4096}}, max: 100}, cc: {list: {string: {max: 4096}}, max: 100}}",
      );
      expect(found.files["vocabulary.yaml"]).to.contain("roles: {to: destination, cc: destination}");
      const tool = parseGuardConfig(found.files["guard.yaml"], "guard.yaml").tools.get("send_mail");
      if (tool === undefined) throw new Error("no tool");
      for (const [given, seen] of [
        ["a@b.example", ["a@b.example"]],
        [
          ["a", "b"],
          ["a", "b"],
        ],
        [[], []],
      ] as const)
        expect(actionOf(tool, { to: given }).arguments).to.deep.equal({ to: seen });
      expect(actionOf(tool, { to: null }).arguments).to.deep.equal({ to: null });
    });
  }

  it("looks into what a schema refers to, as far as it is there and ends", () => {
    const $defs = {
      Level: { enum: ["r", "w"], type: "string" },
      Person: { type: "object", properties: { name: { type: "string" }, boss: { $ref: "#/$defs/Person" } } },
      Place: { type: "object", properties: { city: { type: "string" } } },
    };
    const properties = {
      level: { $ref: "#/$defs/Level", description: "how much" },
      place: { allOf: [{ $ref: "#/$defs/Place" }], default: null },
      person: { $ref: "#/$defs/Person" },
      other: { $ref: "https://else.example/schema.json" },
      none: { $ref: "#/$defs/constructor" },
    };
    const found = drafted([{ name: "share_file", inputSchema: { type: "object", properties, $defs } }]);
    compiles(found);
    expect(found.files["guard.yaml"]).to.contain(
      "share_file: {send: file, arguments: {level: level, place: place, person: {leaves: person}, other: {leaves: other}, none: {leaves: none}}}",
    );
    expect(found.files["vocabulary.yaml"]).to.contain(
      "arguments: {level: [r, w], place: {object: {city: {string: {max: 4096}}}}, person: ",
    );
  });

  it("is made within bounds of a schema that grows without end", () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [
        `d${i}`,
        { type: "object", properties: Object.fromEntries(Array.from({ length: 30 }, (_, j) => [`p${j}`, { $ref: `#/$defs/d${i + 1}` }])) },
      ]),
    );
    compiles(drafted([{ name: "save", inputSchema: { type: "object", properties: { it: { $ref: "#/$defs/d0" } }, $defs } }]));
  });

  const UNTYPED: [what: string, of: object][] = [
    ["anything", {}],
    ["a text or a number", { anyOf: [{ type: "string" }, { type: "integer" }] }],
    ["a list of anything", { type: "array" }],
    ["a text or a list of numbers", { anyOf: [{ type: "string" }, { type: "array", items: { type: "number" } }] }],
    ["a list of objects with a member of any type", { type: "array", items: { type: "object", properties: { aB: {} } } }],
    ["a list of objects without members", { type: "array", items: { type: "object" } }],
    ["a list of lists", { type: "array", items: { type: "array", items: { type: "string" } } }],
    ["an object with a member of any type", { type: "object", properties: { aB: { type: "string" }, cD: {} } }],
    ["an object without members", { type: "object", properties: {} }],
    [
      "objects in objects without end",
      JSON.parse(`${'{"type":"object","properties":{"aB":'.repeat(40)}{"type":"string"}${"}}".repeat(40)}`) as object,
    ],
  ];
  for (const [what, of] of UNTYPED) {
    it(`has of ${what} every value within it, with its place, as content that is looked through`, () => {
      const found = drafted([{ name: "save", ...schema({ it: of }) }]);
      compiles(found);
      expect(found.remarks.join()).to.not.match(/`it`/);
      expect(found.files["vocabulary.yaml"]).to.contain("roles: {it.text: content}");
      const tool = parseGuardConfig(found.files["guard.yaml"], "guard.yaml").tools.get("save");
      if (tool === undefined) throw new Error("no tool");
      const seen = (it: unknown) =>
        (actionOf(tool, { it }).arguments?.["it"] as { path: string; kind: string; text: string }[]).map(
          ({ path, kind, text }) => `${path} ${kind} ${text}`,
        );
      expect(seen({ "eve@evil.example": { cc: true } })).to.deep.equal([
        "$['eve@evil.example'] name eve@evil.example",
        "$['eve@evil.example']['cc'] boolean true",
      ]);
      expect(seen({ "a'\n\u0001": [1.5, "x\ny", { c: true }], d: null, e: {}, f: [] })).to.deep.equal([
        "$['a\\'\\n\\u0001'] name a'\n\u0001",
        "$['a\\'\\n\\u0001'][0] number 1.5",
        "$['a\\'\\n\\u0001'][1] text x\ny",
        "$['a\\'\\n\\u0001'][2]['c'] boolean true",
        "$['d'] null null",
        "$['e'] object {}",
        "$['f'] list []",
      ]);
      expect(seen("text")).to.deep.equal(["$ text text"]);
      expect(refusedAs(() => actionOf(tool, { it: {}, more: 1 }))).to.equal("argument_unmapped more");
    });
  }

  it("takes a destination of any form for one, and what only looks for nothing that goes somewhere", () => {
    const found = drafted([
      { name: "send_mail", ...schema({ recipients: {} }) },
      { name: "search_mail", ...schema({ filter: {} }) },
    ]);
    expect(found.files["vocabulary.yaml"]).to.contain("roles: {recipients.text: destination}").and.not.contain("filter.text");
  });

  it("takes what has a member of any type for a destination where another of its members is one", () => {
    const target = { type: "object", properties: { channel: { type: "string" }, meta: {} } };
    const { files } = drafted([{ name: "post_message", ...schema({ target }) }]);
    expect(files["vocabulary.yaml"]).to.contain("target.text: destination");
  });

  const untyped = (): Mapped => readMapped({ delete: "records", arguments: { filter: { leaves: "filter" } } });
  const UNLIKE: [one: unknown, other: unknown][] = [
    [null, "null"],
    [{}, "{}"],
    [[], "[]"],
    [{}, []],
    [false, "false"],
    [1, "1"],
    [{ 0: "a" }, ["a"]],
    [{ "a']['b": 1 }, { a: { b: 1 } }],
    [{ "[0]": 1 }, [1]],
    [{ "a\n": 1 }, { "a\\n": 1 }],
    [{ [`${"k".repeat(300)}A`]: 1 }, { [`${"k".repeat(300)}B`]: 1 }],
  ];
  for (const [one, other] of UNLIKE) {
    it(`tells ${JSON.stringify(one).slice(-30)} from ${JSON.stringify(other).slice(-30)}, so that who approves the one hasn't approved the other`, () => {
      const seen = [one, other].map((filter) => actionOf(untyped(), { filter }).arguments);
      expect(seen[0]).to.not.deep.equal(seen[1]);
    });
  }

  it("tells any two values apart", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (one, other) => {
        const [a, b] = [one, other].map((filter) => JSON.parse(JSON.stringify({ filter })) as { filter: unknown });
        const same = canonical(a) === canonical(b);
        const seen = [a, b].map((given) => canonical(actionOf(untyped(), given ?? {}).arguments?.["filter"]));
        // Members may come in any order.
        const sorted = (text = ""): string => canonical(((JSON.parse(text) ?? []) as unknown[]).map(canonical).sort());
        return same === (sorted(seen[0]) === sorted(seen[1]));
      }),
    );
  });

  const TOO_LARGE: [what: string, filter: unknown][] = [
    ["more values than a policy sees", Array.from({ length: 1001 }, () => 1)],
    [
      "few values behind long names",
      JSON.parse(`${`{"${"~".repeat(128)}":`.repeat(29)}${JSON.stringify(Array(900).fill(1))}${"}".repeat(29)}`) as unknown,
    ],
    ["one long name", { ["k".repeat(300_000)]: 1 }],
  ];
  for (const [what, filter] of TOO_LARGE) {
    it(`refuses ${what}`, () => {
      expect(refusedAs(() => actionOf(untyped(), { filter }))).to.equal("arguments_too_large filter");
    });
  }

  it("is made soon of many references to what is large and refers to itself", () => {
    const members = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`m${i}`, { $ref: "#/$defs/it" }]));
    const properties = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`p${i}`, { $ref: "#/$defs/it" }]));
    const $defs = { it: { type: "object", properties: members, ...members } };
    expect(drafted([{ name: "save", inputSchema: { type: "object", properties, $defs } }]).files["guard.yaml"]).to.contain("save");
  });

  it("of resources names them by their address, once", () => {
    const { files, remarks } = drafted([], {
      templates: [{ uriTemplate: "crm://customers/{id}", name: "c" }, { uriTemplate: "file:///{path*}" }],
      resources: [
        { uri: "crm://customers/ada", name: "Ada" },
        { uri: "crm://report", name: "r" },
      ],
    });
    expect(files["guard.yaml"]).to.contain(
      '  - {uri: "crm://customers/{id}", read: customer, id: id}\n  - {uri: "crm://report", search: report}',
    );
    expect(remarks.join()).to.match(/left out/);
    compiles({ files, remarks });
  });
});

describe("docs/mcp.md", () => {
  const text = readFileSync(asset("docs", "mcp.md"), "utf8");

  it("has a configuration that is one, and the defaults that there are", () => {
    const blocks = [...text.matchAll(/```yaml\n([^]*?)```/g)].map(([, block = ""]) => block);
    const yaml = blocks.find((block) => block.includes("\ntools:")) ?? "";
    const config = parseGuardConfig(yaml, "guard.yaml");
    expect([config.tools.size, config.resources.length, config.prompts.size]).to.deep.equal([6, 1, 1]);
    const said = new Map(
      [...text.matchAll(/`(\w+)` (\d[\d,]*\d|\d)( MiB| minutes)?/g)].map(([, name, number = "", unit]) => [
        name,
        Number(number.replace(",", "")) * (unit === " MiB" ? 1_048_576 : unit === " minutes" ? 60_000 : 1),
      ]),
    );
    expect(Object.fromEntries(Object.keys(config.limits).map((name) => [name, said.get(name)]))).to.deep.equal(config.limits);
  });

  it("has one of an engine in the guard, with what is so if unsaid", () => {
    const blocks = [...text.matchAll(/```yaml\n([^]*?)```/g)].map(([, block = ""]) => block);
    const yaml = blocks.find((block) => block.includes("in_process:")) ?? "";
    const rest = BASE.slice(BASE.indexOf("\n") + 1);
    const { in_process } = parseGuardConfig(`${yaml}${rest}`, "guard.yaml").remit;
    expect(in_process?.bundle.name).to.equal("customer_support");
    const unsaid = yaml.replace(/^ *(?:facts|records): .*\n/gm, "");
    expect(unsaid.length).to.be.below(yaml.length);
    expect(parseGuardConfig(`${unsaid}${rest}`, "guard.yaml").remit.in_process).to.deep.equal(in_process);
  });

  it("says why, for each code that a call is refused with, and for no other", () => {
    const [, table = ""] = /## What is refused, and why\n([^]*?)\n\nA server/.exec(text) ?? [];
    const codes = [...table.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code),
    );
    expect(codes.sort()).to.deep.equal(Object.keys(REFUSALS).sort());
  });
});
