import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { readArchive } from "../../src/bundle/archive.js";
import { buildTests, evaluateWithOpa } from "../../src/bundle/compiled_set.js";
import { keyId, publicKey } from "../../src/bundle/signature.js";
import { verifyBundle } from "../../src/bundle/verify.js";
import type { Catalogue, PolicyData } from "../../src/contract/index.js";
import { build, compiler, COMPILER_BUILD_MS_MAX, errorsOf, KEY, withSet, type Changes } from "./support.js";

const DENY = /deny contains reason\.because\(rego\.metadata\.rule\(\), .*\) if \{\n/;

/** Adds expressions to the template's one rule. */
function inRule(...lines: string[]): Changes {
  return { "rules.rego": (text) => text.replace(DENY, (head) => `${head}${lines.map((l) => `\t${l}\n`).join("")}`) };
}

function json(content: Buffer | undefined): unknown {
  return JSON.parse(content?.toString() ?? "");
}

describe("building a bundle", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  it("gives what a service verifies, and its manifest says what it is", async () => {
    const { archive, digest } = await build({}, { sequence: 7, name: "desk", commit: "c".repeat(40) });
    const keys = new Map([[keyId(KEY), publicKey(KEY.export({ type: "pkcs8", format: "pem" }))]]);
    const { identity, metadata } = await verifyBundle(archive, { keys, name: "desk", nowMs: Date.UTC(2026, 5, 1) });
    expect(identity).to.deep.equal({ bundle: "desk", revision: "cccccccccccc-7", sequence: 7, digest });
    expect(metadata).to.include({
      built: "2026-01-01T00:00:00Z",
      expires: null,
      entrypoint: "remit/decide",
      abi: "1.3",
    });
  });

  it("gives the same files twice, but for the signature", async () => {
    const [once, again] = [await build(), await build()];
    const names = [...once.files.keys()].filter((name) => name !== ".signatures.json");
    for (const name of names) expect(again.files.get(name)?.equals(once.files.get(name) ?? Buffer.of()), name).to.equal(true);
    expect(again.digest).to.equal(once.digest);
    expect(names).to.have.lengthOf(again.files.size - 1);
  });

  it("carries the sources, and no tests", async () => {
    const names = [...(await readArchive((await build()).archive)).keys()];
    expect(names).to.include.members(["rules/rules.rego", "vocabulary.yaml", "purposes.yaml", "remit/decide.rego"]);
    expect(names.filter((name) => name.endsWith("_test.rego"))).to.deep.equal([]);
    expect(names.filter((name) => name.startsWith("tables/"))).to.have.lengthOf(1);
  });

  it("names no wasm in the manifest, so that a plain OPA loads it", async () => {
    expect(json((await build()).files.get(".manifest"))).to.have.all.keys("metadata", "rego_version", "revision", "roots");
  });

  it("has its zones from a day before it was built to a day after it expires", async () => {
    const [builtMs, expiresMs] = [Date.UTC(2026, 0, 10), Date.UTC(2027, 0, 10)];
    const zone = (json((await build({}, { builtMs, expiresMs })).files.get("data.json")) as PolicyData).zones["Europe/Berlin"];
    expect(zone?.weeks[0]?.[0]?.[0]).to.equal(Date.UTC(2026, 0, 9));
    expect(zone?.weeks.at(-1)?.at(-1)?.[1]).to.equal(Date.UTC(2027, 0, 11));
  });

  it("explains the codes of entries and of rules, with their places", async () => {
    const catalogue = json((await build()).files.get("catalogue.json")) as Catalogue;
    expect(catalogue["reset_to_stranger"]).to.include({ effect: "deny", severity: "high" });
    expect(catalogue["reset_to_stranger"]?.sources[0]).to.match(/^rules\.rego:\d+$/);
    expect(catalogue["mail_is_private"]?.sources[0]).to.match(/^purposes\.yaml:\d+$/);
  });

  it("builds a set that has no Rego at all", async () => {
    const { files } = await build({ "rules.rego": null, "rules_test.rego": null });
    expect(files.has("policy.wasm")).to.equal(true);
  });

  const bad: [title: string, changes: Changes, file: RegExp, wanted: RegExp, hint: RegExp | null][] = [
    ["the clock", inRule("time.now_ns() > 0"), /^rules\.rego$/, /builtin `time\.now_ns` may not be used/, /no clock/],
    ["the network", inRule('http.send({"url": "x"}).status == 200'), /^rules\.rego$/, /`http\.send`/, /host/],
    [
      "what the engine lacks",
      inRule('crypto.x509.parse_certificates("x") == []'),
      /^rules\.rego$/,
      /`crypto\.x509\.parse_certificates`/,
      /host/,
    ],
    ["what the engine answers otherwise", inRule('glob.match("a*", [], "ab")'), /^rules\.rego$/, /`glob\.match`/, /line break/],
    ["what the engine never ends", inRule('replace("a", "", "b") == "a"'), /^rules\.rego$/, /`replace`/, /replace_n/],
    ["sizes without a bound", inRule("count(numbers.range(1, 1000000)) > 1"), /^rules\.rego$/, /`numbers\.range`/, /bounded/],
    ["the joining of a set", inRule('concat(",", {"a"}) == "a"'), /^rules\.rego$/, /concat: invalid argument/, null],
    ["a function that is nowhere", inRule("reason.nothing(1)"), /^rules\.rego$/, /undefined function data\.remit/, null],
    ["a field that the schema lacks", inRule('input.request.verbb == "reset"'), /^rules\.rego$/, /undefined ref/, /did you mean `verb`/],
    [
      "a null where there is never one",
      inRule("input.request.verb != null", "input.request.verb == null"),
      /^rules\.rego$/,
      /match error/,
      /this string is never null/,
    ],
    [
      "a text compared with a number",
      inRule("input.request.verb == 3"),
      /^rules\.rego$/,
      /match error/,
      /left side is of type string, the right one of type number/,
    ],
    [
      "a message of a rule that nothing fills",
      { "rules.rego": (t) => t.replace("{notify}", "{notifi}") },
      /^rules\.rego$/,
      /the message names `\{notifi\}`/,
      /did you mean `\{notify\}`/,
    ],
    [
      "a message of a rule with an empty name",
      { "rules.rego": (t) => t.replace("{notify}", "{}") },
      /^rules\.rego$/,
      /the message names `\{\}`/,
      /known/,
    ],
    [
      "a message of a rule in capitals",
      { "rules.rego": (t) => t.replace("{notify}", "{Notify}") },
      /^rules\.rego$/,
      /`\{Notify\}`/,
      /`\{notify\}`/,
    ],
    [
      "an attribute not in the vocabulary",
      inRule("input.request.resource.attributes.colour"),
      /^rules\.rego$/,
      /undefined ref/,
      /known: owner/,
    ],
    ["types that never match", inRule('startswith(input.facts.time.ms, "1")'), /^rules\.rego$/, /invalid argument/, null],
    [
      "an unused import",
      {
        "rules.rego": (t) => t.replace("import data.remit.reason", "import data.remit.reason\nimport data.remit.hours"),
      },
      /^rules\.rego$/,
      /unused/,
      null,
    ],
    ["another format", { "rules.rego": (t) => t.replaceAll("\t", "  ") }, /^rules\.rego$/, /not formatted/, /remit fmt /],
    ["a test in another format", { "rules_test.rego": (t) => t.replaceAll("\t", "  ") }, /^rules_test\.rego$/, /not formatted/, /fmt/],
    ["what is not Rego", { "rules.rego": "package rules.it_helpdesk\n\ndeny contains if {\n" }, /^rules\.rego$/, /unexpected/, null],
    [
      "no METADATA",
      { "rules.rego": (t) => t.replace(/# METADATA\n# title: Reset[^]*?\ndeny/, "deny") },
      /^rules\.rego$/,
      /no METADATA/,
      /METADATA/,
    ],
    [
      "a code that an entry has",
      { "rules.rego": (t) => t.replace("reset_to_stranger", "mail_is_private") },
      /^rules\.rego$/,
      /is given by purposes\.yaml/,
      /one thing/,
    ],
    [
      "a code of the service's own",
      { "rules.rego": (t) => t.replace("reset_to_stranger", "agent_revoked") },
      /^rules\.rego$/,
      /the service itself/,
      /one thing/,
    ],
    [
      "a zone that isn't one",
      { "purposes.yaml": (t) => t.replace("Europe/Berlin", "Europe/Berln") },
      /^purposes\.yaml$/,
      /no time zone/,
      /Europe\/Berlin/,
    ],
    [
      "a verb that isn't one",
      { "purposes.yaml": (t) => t.replace("reset: account", "rest: account") },
      /^purposes\.yaml$/,
      /rest/,
      /reset/,
    ],
    ["an unknown type of value", { "vocabulary.yaml": (t) => t.replace("boolean", "bool") }, /^vocabulary\.yaml$/, /bool/, /boolean/],
  ];
  for (const [title, changes, file, wanted, hint] of bad) {
    it(`refuses ${title}`, async () => {
      const errors = await errorsOf(changes);
      const error = errors.find(({ message }) => wanted.test(message));
      expect(error, JSON.stringify(errors)).to.not.equal(undefined);
      expect(error?.file).to.match(file);
      if (!/format|zone/.test(title)) expect(error?.line).to.be.a("number");
      if (hint !== null) expect(error?.hint).to.match(hint);
    });
  }

  it("names the line of the message that nothing fills", async () => {
    const [error] = await errorsOf({ "rules.rego": (text) => text.replace("{recovery}", "{recovry}") });
    const lines = (await withSet({}, (folder) => readFile(join(folder, "rules.rego"), "utf8"))).split("\n");
    expect(lines[(error?.line ?? 0) - 1]).to.match(/^# {3}message:/);
  });

  for (const [title, message] of [
    ["a word", "{verb} {resource} by {agent} for {task}"],
    ["a param", "{notify}"],
    ["a path", "{owner}, {arguments.notify}, {task.urgency}, {task.employee}"],
  ] as const) {
    it(`accepts a message of a rule that names ${title}`, async () => {
      const { set } = await build({ "rules.rego": (text) => text.replace(/message: ".*"/, `message: "${message}"`) });
      expect(set.catalogue["reset_to_stranger"]?.message).to.equal(message);
    });
  }

  it("lets every field that may be null be compared with null", async () => {
    const compared = [
      "input.request.task",
      "input.request.resource.id",
      "input.request.resource.attributes.owner",
      "input.request.resource.attributes.privileged",
      "input.request.arguments.notify",
      "input.request.context.session",
      "input.facts.principal",
      "input.facts.time.claim_ms",
      "input.facts.task.id",
      "input.facts.task.root",
      "input.facts.task.subjects.employee",
      "input.facts.task.attributes.urgency",
      "input.facts.flow",
    ];
    const { set } = await build(inRule(...compared.map((path) => `${path} != null`)));
    expect(set.notes).to.deep.equal([]);
  });

  const UNREADABLE: [title: string, file: string, change: (text: string) => string, message: string][] = [
    ["an anchor in the vocabulary", "vocabulary.yaml", (text) => text.replace("verbs:", "verbs: &all"), "anchors are not read"],
    ["an anchor in the purposes", "purposes.yaml", (text) => text.replace("  allow:", "  allow: &all"), "anchors are not read"],
    ["an alias", "purposes.yaml", (text) => text.replace("task: required", "task: *all"), "aliases are not read"],
    ["a tag", "vocabulary.yaml", (text) => text.replace("verbs:", "verbs: !all"), "Unresolved tag: !all"],
  ];
  for (const [title, file, change, message] of UNREADABLE) {
    it(`gives one error for ${title}, and none that only follows from it`, async () => {
      const errors = await errorsOf({ [file]: change });
      expect(errors.map((error) => [error.file, error.line === null, error.message])).to.deep.equal([[file, false, message]]);
      if (title.includes("anchor")) expect(errors[0]?.hint).to.equal("write the value out at each place");
    });
  }

  it("names every error of a stage, not the first", async () => {
    const errors = await errorsOf(
      inRule("time.now_ns() > 0", 'http.send({"url": "x"}).status == 200', "format_int(1, 10) == input.request.verb"),
    );
    expect(errors.filter(({ message }) => message.includes("may not be used"))).to.have.lengthOf(3);
    expect(new Set(errors.map(({ line }) => line)).size).to.equal(3);
  });

  it("gives tests a second module with every test rule, and OPA the same folder", async () => {
    const opa = await compiler();
    await withSet({}, async (dir) => {
      await buildTests(opa, dir, async ({ tests, data, wasm }, folder) => {
        expect(tests.entrypoints.map(({ name }) => name)).to.deep.equal([
          "test_reset_links_go_to_the_recovery_address",
          "test_no_link_is_sent_while_the_address_is_unknown",
          "test_only_resets_send_links",
        ]);
        expect(tests.wasm?.length).to.be.greaterThan(0);
        expect(wasm.equals((await build()).files.get("policy.wasm") ?? Buffer.of())).to.equal(true);
        expect(data.zones["Europe/Berlin"]?.weeks[0]?.[0]?.[0]).to.be.lessThan(Date.UTC(2000, 0, 1));
        const [entrypoint] = tests.entrypoints;
        expect(await evaluateWithOpa(opa, folder, [{}], entrypoint?.entrypoint)).to.deep.equal([
          { nobody: true, "someone else": true, "the owner": true, "the owner in other case": true },
        ]);
      });
    });
  });
});
