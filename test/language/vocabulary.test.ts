import { expect } from "chai";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { expectOnly, VOCABULARY, vocabulary, WORDS, type Wrong } from "./support.js";

const REST = "types: {invoice: {}}\n";
const inTypes = (text: string): string => `verbs: {read: {class: read}}\ntask: {subjects: [customer]}\ntypes:\n${text}`;
const attribute = (type: string): string => inTypes(`  invoice:\n    attributes:\n      field: ${type}\n`);

// prettier-ignore
const WRONG: Wrong[] = [
  { what: "an unknown key", source: `verbs: {}\nverb: {}\n${REST}`, line: 2, message: "unknown key in the vocabulary `verb`", hint: "did you mean `verbs`?" },
  { what: "no verbs", source: REST, line: 1, message: "`verbs` must be a mapping" },
  { what: "no types", source: "verbs: {}\n", line: 1, message: "`types` must be a mapping" },
  { what: "a list of verbs", source: `verbs: [read]\n${REST}`, line: 1, message: "`verbs` must be a mapping" },
  { what: "a verb without class", source: `verbs:\n  read: {}\n${REST}`, line: 2, message: "class of verb must be one of read, write, send, admin" },
  { what: "a verb that is a word", source: `verbs:\n  read: {class: read}\n  update: write\n${REST}`, line: 3, message: "verb `update` must be a mapping" },
  { what: "an unknown class", source: `verbs:\n  read: {class: reed}\n${REST}`, line: 2, message: "unknown class of verb `reed`", hint: "did you mean `read`?" },
  { what: "a collection that is a word", source: `verbs:\n  find: {class: read, collection: "true"}\n${REST}`, line: 2, message: "`collection` must be true or false" },
  { what: "an unknown key of a verb", source: `verbs:\n  find: {class: read, colection: true}\n${REST}`, line: 2, message: "unknown key in verb `find` `colection`", hint: "did you mean `collection`?" },
  { what: "a verb in capitals", source: `verbs:\n  Read: {class: read}\n${REST}`, line: 2, message: "a verb `Read` must be snake_case" },
  { what: "a verb with a dash", source: `verbs:\n  modify-items: {class: write}\n${REST}`, line: 2, message: "must be snake_case" },
  { what: "a verb of 65 characters", source: `verbs:\n  ${"a".repeat(65)}: {class: write}\n${REST}`, line: 2, message: "at most 64 characters" },
  ...["about", "when", "code", "severity", "proceed", "message", "tell_agent", "obligations", "given", "with", "then", "because", "related", "title"].map(
    (verb): Wrong => ({ what: `a verb called ${verb}`, source: `verbs:\n  ${verb}: {class: read}\n${REST}`, line: 2, message: `a verb cannot be called \`${verb}\``, hint: "meaning of its own" }),
  ),
  { what: "a verb that every object has", source: `verbs:\n  constructor: {class: read}\n${REST}`, line: 2, message: "cannot be called `constructor`" },
  { what: "a type that every object has", source: inTypes("  constructor: {}\n"), line: 4, message: "cannot be called `constructor`" },
  { what: "an unknown key of the task", source: `verbs: {}\ntask:\n  subject: [ticket]\n${REST}`, line: 3, message: "unknown key in `task` `subject`", hint: "did you mean `subjects`?" },
  { what: "a subject that is a number", source: `verbs: {}\ntask:\n  subjects: [ticket, 4]\n${REST}`, line: 3, message: "`subjects` must be a word or a list of words" },
  { what: "a subject named twice", source: `verbs: {}\ntask:\n  subjects:\n    - ticket\n    - ticket\n${REST}`, line: 5, message: "subject `ticket` is named twice" },
  { what: "a subject called purpose", source: `verbs: {}\ntask:\n  subjects: [purpose]\n${REST}`, line: 3, message: "a subject cannot be called `purpose`" },
  { what: "a task attribute called expires", source: `verbs: {}\ntask:\n  attributes:\n    expires: string\n${REST}`, line: 4, message: "a field cannot be called `expires`" },
  { what: "a task attribute called like a subject", source: `verbs: {}\ntask:\n  subjects: [ticket]\n  attributes: {ticket: id}\n${REST}`, line: 4, message: "a field cannot be called `ticket`" },
  { what: "an agent attribute called status", source: `verbs: {}\nagent:\n  attributes: {status: string}\n${REST}`, line: 3, message: "a field cannot be called `status`" },
  { what: "an unknown key of the agent", source: `verbs: {}\nagent: {attribute: {}}\n${REST}`, line: 2, message: "unknown key in `agent` `attribute`", hint: "did you mean `attributes`?" },
  { what: "an unknown key of a type", source: inTypes("  invoice:\n    atributes:\n      customer: id\n"), line: 5, message: "unknown key in type `invoice` `atributes`", hint: "did you mean `attributes`?" },
  { what: "a type that is a list", source: inTypes("  invoice: [id]\n"), line: 4, message: "type `invoice` must be a mapping" },
  { what: "an unknown form of id", source: inTypes("  file: {id: url}\n"), line: 4, message: "unknown form of id `url`" },
  ...["task", "agent", "arguments", "related", "id"].map(
    (name): Wrong => ({ what: `an attribute called ${name}`, source: inTypes(`  invoice:\n    attributes:\n      ${name}: string\n`), line: 6, message: `a field cannot be called \`${name}\`` }),
  ),
  { what: "about an unknown subject", source: inTypes("  invoice:\n    about: {custommer: id}\n"), line: 5, message: "unknown subject `custommer`", hint: "did you mean `customer`?" },
  { what: "about an unknown attribute", source: inTypes("  invoice:\n    about: {customer: custmer}\n    attributes: {customer: id}\n"), line: 5, message: "unknown attribute of kind id `custmer`", hint: "did you mean `customer`?" },
  { what: "about an attribute that is no id", source: inTypes("  invoice:\n    about: {customer: customer}\n    attributes: {customer: string}\n"), line: 5, message: "unknown attribute of kind id `customer`" },
  { what: "a role of an unknown type", source: inTypes("  invoice:\n    related: {pay_from: acount}\n  account: {}\n"), line: 5, message: "unknown type `acount`", hint: "did you mean `account`?" },
  { what: "a role in capitals", source: inTypes("  invoice:\n    related: {payFrom: invoice}\n"), line: 5, message: "a related resource `payFrom` must be snake_case" },
  { what: "an unknown type of value", source: attribute("interger"), line: 6, message: "unknown type `interger`", hint: "did you mean `integer`?" },
  { what: "a type of value that is a number", source: attribute("4"), line: 6, message: "type must be one of id, email, string" },
  { what: "a type of value that is nothing", source: attribute(""), line: 6, message: "type must be one of id, email, string" },
  { what: "an empty list of words", source: attribute("[]"), line: 6, message: "a list of values holds 1 to 256 words" },
  { what: "numbers among the words", source: attribute("[a, 1]"), line: 6, message: "a list of values holds 1 to 256 words", hint: "quote numbers" },
  { what: "a word listed twice", source: attribute("[a, a]"), line: 6, message: "a value is listed twice" },
  { what: "an empty composed type", source: attribute("{}"), line: 6, message: "a type is one of" },
  { what: "two types at once", source: attribute("{list: id, object: {}, max: 1}"), line: 6, message: "a type is one of" },
  { what: "an unknown composed type", source: attribute("{lst: id, max: 1}"), line: 6, message: "unknown key in a type `lst`", hint: "did you mean `list`?" },
  { what: "a list without max", source: attribute("{list: id}"), line: 6, message: "`max` of a list must be a whole number from 1 to 1000" },
  { what: "a list beyond the bound", source: attribute("{list: id, max: 1001}"), line: 6, message: "`max` of a list" },
  { what: "a list of no element", source: attribute("{list: id, max: 0}"), line: 6, message: "`max` of a list" },
  { what: "a list of lists", source: attribute("{list: {list: id, max: 2}, max: 2}"), line: 6, message: "a list of lists is not a type", hint: "object" },
  { what: "a string without max", source: attribute("{string: {}}"), line: 6, message: "`max` of a string" },
  { what: "a string beyond the bound", source: attribute("{string: {max: 65537}}"), line: 6, message: "`max` of a string must be a whole number from 1 to 65536" },
  { what: "a string's max outside it", source: attribute("{string: {max: 3}, max: 3}"), line: 6, message: "`max` stands beside `list`, or inside `string`" },
  { what: "half a character", source: attribute("{string: {max: 1.5}}"), line: 6, message: "`max` of a string" },
  { what: "a mask of an unknown type", source: attribute("{masked: strin}"), line: 6, message: "unknown type `strin`", hint: "did you mean `string`?" },
  { what: "a mask of nothing", source: attribute("{masked: }"), line: 6, message: "type must be one of id, email, string" },
  { what: "a mask with a bound of its own", source: attribute("{masked: string, max: 4}"), line: 6, message: "`max` stands beside `list`, or inside `string`" },
  { what: "a mask beside a type", source: attribute("{masked: id, string: {max: 4}}"), line: 6, message: "a type is one of" },
  { what: "a mask of a list of lists", source: attribute("{list: {masked: {list: id, max: 2}}, max: 2}"), line: 6, message: "a list of lists is not a type" },
  { what: "a masked form of id that is none", source: inTypes("  file: {id: {masked: url}}\n"), line: 4, message: "unknown form of id `url`" },
  { what: "an id of which it is only said that it is masked", source: inTypes("  file: {id: masked}\n"), line: 4, message: "unknown form of id `masked`" },
  { what: "a principal of which something else is said", source: `verbs: {}\ntask:\n  principal: string\n${REST}`, line: 3, message: "unknown word `string`", hint: "masked" },
  { what: "an unknown part of the context", source: `verbs: {}\ncontext:\n  sesion: masked\n${REST}`, line: 3, message: "unknown key in `context` `sesion`", hint: "did you mean `session`?" },
  { what: "a part of the context that isn't masked", source: `verbs: {}\ncontext:\n  session: string\n${REST}`, line: 3, message: "unknown word `string`", hint: "masked" },
  { what: "objects in objects in objects", source: attribute("{object: {a: {object: {a: {object: {a: {object: {a: {object: {a: id}}}}}}}}}}"), line: 6, message: "types may be nested 4 deep at most" },
  { what: "a field in capitals", source: attribute("{object: {City: string}}"), line: 6, message: "a field `City` must be snake_case" },
  { what: "an unknown role", source: inTypes("  mail:\n    arguments: {to: email}\n    roles: {to: destinaton}\n"), line: 6, message: "unknown role `destinaton`", hint: "did you mean `destination`?" },
  { what: "a role of an argument that there isn't", source: inTypes("  mail:\n    arguments: {to: email}\n    roles: {too: destination}\n"), line: 6, message: "unknown argument `too`", hint: "did you mean `to`?" },
  { what: "a role of a related resource that there isn't", source: inTypes("  mail:\n    related: {to: mail}\n    roles: {related.too: destination}\n"), line: 6, message: "unknown related resource `related.too`", hint: "did you mean `related.to`?" },
  { what: "an unknown writer", source: inTypes("  mail:\n    writes: {subject: stranger}\n"), line: 5, message: "unknown writer `stranger`" },
  { what: "the user as a writer", source: inTypes("  mail:\n    writes: {subject: user}\n"), line: 5, message: "unknown writer `user`" },
  { what: "writers that are a word", source: inTypes("  mail:\n    writes: service\n"), line: 5, message: "`writes` must be a mapping" },
  { what: "a field that is none", source: inTypes("  mail:\n    writes: {\"sub ject\": service}\n"), line: 5, message: "`sub ject` is no field of an answer", hint: "`*` for any other" },
  { what: "an author whom no field names", source: inTypes("  mail:\n    writes: {subject: author}\n"), line: 5, message: "no field names the author", hint: "say `author: <field>`" },
  { what: "common writers that there aren't", source: inTypes("  mail:\n    writes: common\n"), line: 5, message: "`writes: common` takes what `flow.writes` says, and there is none", hint: "say it once in `flow`" },
  { what: "an author beside common writers", source: `${inTypes("  mail:\n    writes: common\n    author: from\n")}flow: {writes: {id: service}}\n`, line: 6, message: "`writes: common` has the author of `flow`, too", hint: "write out `writes`" },
  { what: "common writers that are common themselves", source: `${inTypes("  mail: {}\n")}flow:\n  writes: common\n`, line: 6, message: "`writes` must be a mapping" },
  { what: "an unknown writer among the common ones", source: `${inTypes("  mail:\n    writes: common\n")}flow:\n  writes:\n    id: servce\n`, line: 8, message: "unknown writer `servce`", hint: "did you mean `service`?" },
  { what: "a common author whom no field names", source: `${inTypes("  mail: {}\n")}flow:\n  writes: {from: author}\n`, line: 6, message: "no field names the author" },
  { what: "common secrets without writers", source: `${inTypes("  mail: {}\n")}flow:\n  secret_fields: [ssn]\n`, line: 6, message: "`secret_fields` goes with `writes`", hint: "say both" },
  { what: "a common secret that is no field", source: `${inTypes("  mail: {}\n")}flow:\n  writes: {id: service}\n  secret_fields: ["a b"]\n`, line: 7, message: "`a b` is no field of an answer" },
  { what: "common secrets that are a map", source: `${inTypes("  mail: {}\n")}flow:\n  writes: {id: service}\n  secret_fields: {ssn: true}\n`, line: 7, message: "`secret_fields` must be" },
  { what: "a common author without writers", source: `${inTypes("  mail: {}\n")}flow:\n  author: from\n`, line: 6, message: "`author` goes with `writes`", hint: "say both" },
  { what: "an unknown effect", source: `verbs:\n  send: {class: send, effect: ad}\n${REST}`, line: 2, message: "unknown effect `ad`", hint: "did you mean `add`?" },
  { what: "an effect of a verb that there isn't", source: inTypes("  mail:\n    effects: {reed: look}\n"), line: 5, message: "unknown verb `reed`", hint: "did you mean `read`?" },
  { what: "a secret that is no field", source: inTypes("  mail:\n    secret: [\"a b\"]\n"), line: 5, message: "`a b` is no field of an answer" },
  { what: "a label in capitals", source: inTypes("  mail:\n    labels: [Secret]\n"), line: 5, message: "label `Secret` must be snake_case" },
  { what: "an unknown key of flow", source: `verbs: {}\nflow:\n  instrution: task.note\n${REST}`, line: 3, message: "unknown key in `flow` `instrution`", hint: "did you mean `instruction`?" },
  { what: "an instruction that the task hasn't", source: `verbs: {}\ntask: {attributes: {note: string}}\nflow:\n  instruction: task.not\n${REST}`, line: 4, message: "unknown attribute of the task `task.not`", hint: "did you mean `task.note`?" },
  { what: "an instruction that is a number", source: `verbs: {}\ntask: {attributes: {note: integer}}\nflow:\n  instruction: task.note\n${REST}`, line: 4, message: "the instruction is a string" },
  { what: "a slot of the agent's", source: `verbs: {}\nagent: {attributes: {to: string}}\nflow:\n  slots: [agent.to]\n${REST}`, line: 4, message: "a slot is an attribute of the task" },
  { what: "a fact that there isn't", source: `verbs: {}\nagent: {attributes: {account: email}}\nflow:\n  own: [agent.acount]\n${REST}`, line: 4, message: "unknown fact `agent.acount`", hint: "did you mean `agent.account`?" },
  { what: "more fields than the bound", source: attribute(`{object: {${Array.from({ length: 65 }, (_, i) => `f${i}: id`).join(", ")}}}`), line: 6, message: "at most 64 fields" },
  { what: "more verbs than the bound", source: `verbs:\n${Array.from({ length: 257 }, (_, i) => `  v${i}: {class: read}\n`).join("")}${REST}`, line: 1, message: "at most 256 verbs" },
];

describe("a vocabulary", () => {
  for (const wrong of WRONG) {
    it(`is refused for ${wrong.what}, naming the line`, () => {
      expectOnly(vocabulary(wrong.source).notes, wrong);
    });
  }

  it("names every mistake of the file in one go", () => {
    const { notes } = vocabulary(
      "verbs:\n  Read: {class: reed}\ntask:\n  subject: [x]\ntypes:\n  invoice:\n    id: url\n    about: {x: id}\n    attributes: {id: interger}\n",
    );
    expect(notes.map(({ line, message }) => `${line} ${message}`).sort()).to.deep.equal([
      "2 a verb `Read` must be snake_case of at most 64 characters",
      "2 unknown class of verb `reed`",
      "4 unknown key in `task` `subject`",
      "7 unknown form of id `url`",
      "8 unknown subject `x`",
      "9 a field cannot be called `id`",
      "9 unknown type `interger`",
    ]);
  });

  it("gives every word its meaning", () => {
    expect(vocabulary(VOCABULARY).notes).to.deep.equal([]);
    expect(WORDS.verbs).to.deep.equal({
      read: { class: "read", collection: false },
      search: { class: "read", collection: true },
      create: { class: "write", collection: true },
      update: { class: "write", collection: false },
    });
    expect(WORDS.task).to.deep.equal({
      subjects: ["ticket", "customer"],
      attributes: {
        topic: { kind: "enum", values: ["billing", "delivery"] },
        tags: { kind: "list", of: { kind: "string", max: 1024 }, max: 4 },
        urgent: { kind: "boolean" },
      },
    });
    expect(WORDS.agent.attributes).to.deep.equal({ team: { kind: "string", max: 1024 }, level: { kind: "integer" } });
    expect(WORDS.types["setting"]).to.deep.equal({ id: "name", about: {}, attributes: {}, arguments: {}, related: {} });
    expect(WORDS.types["ticket"]).to.deep.equal({
      id: "name",
      about: { ticket: "id", customer: "customer" },
      attributes: { customer: { kind: "id" } },
      arguments: {},
      related: {},
    });
    expect(WORDS.types["invoice"]?.related).to.deep.equal({ pay_from: "account" });
    expect(WORDS.types["invoice"]?.attributes["address"]).to.deep.equal({
      kind: "object",
      fields: {
        city: { kind: "string", max: 1024 },
        geo: { kind: "object", fields: { lat: { kind: "number" } } },
      },
    });
    expect(vocabulary(inTypes("  file: {id: path}\n")).value.types["file"]?.id).to.equal("path");
  });

  it("says once who writes the fields of those types that ask for it", () => {
    const said =
      "  mail: {writes: common}\n  note: {writes: {text: member}}\n  page: {labels: [web]}\n  invoice: {}\nflow: {writes: {id: service, from: author}, author: from}\n";
    const { value, notes } = vocabulary(inTypes(said));
    expect(notes).to.deep.equal([]);
    const { mail, note, page, invoice } = value.types;
    expect(mail?.flow).to.deep.equal({ roles: {}, writes: { id: "service", from: "author" }, author: "from" });
    expect(note?.flow).to.deep.equal({ roles: {}, writes: { text: "member" } });
    expect(page?.flow).to.deep.equal({ roles: {}, writes: {}, labels: ["web"] });
    expect(invoice).to.not.have.property("flow");
    const writtenOut = vocabulary(inTypes(said.replace("{writes: common}", "{writes: {id: service, from: author}, author: from}")));
    expect(writtenOut.value).to.deep.equal(value);
  });

  it("says once which fields hold secrets, beside those of a type's own", () => {
    const flow = "flow: {writes: {id: service}, secret_fields: [ssn, password]}\n";
    const { value } = vocabulary(
      inTypes(
        `  mail: {writes: common}\n  card: {writes: common, secret: [pin, ssn]}\n  page: {secret: [pin]}\n  note: {writes: {}}\n${flow}`,
      ),
    );
    const { mail, card, page, note } = value.types;
    expect(mail?.flow?.secret).to.deep.equal(["ssn", "password"]);
    expect(card?.flow?.secret).to.deep.equal(["ssn", "password", "pin"]);
    expect(page?.flow?.secret).to.deep.equal(["pin"]);
    expect(note?.flow).to.not.have.property("secret");
  });

  it("may have no task, no agent and types that say nothing", () => {
    const { value, notes } = vocabulary("verbs: {}\ntypes:\n  invoice:\n  account: {}\n");
    expect(notes).to.deep.equal([]);
    expect(value.task).to.deep.equal({ subjects: [], attributes: {} });
    expect(Object.keys(value.types)).to.deep.equal(["invoice", "account"]);
  });

  it("takes a name that a member of an object has for what it is", () => {
    const sheet = new Sheet("vocabulary.yaml", "verbs: {read: {class: read}}\n__proto__: {}\ntypes: {}\n");
    compileVocabulary(sheet);
    expect(sheet.notes.map(({ message }) => message)).to.deep.equal(["unknown key in the vocabulary `__proto__`"]);
  });
});
