/** AuthZEN searches of one office's archive, told as those who ask would: who, what and which, and what becomes of it when things change. */
import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX } from "../../build/support.js";
import { post, tokenFor, type Running } from "../../http/running.js";
import { ask, recorded, runAuthzen, type Answered, type Fixture } from "./running.js";

const keeper = (team: string, more: object = {}) => ({ owner: "tests", purposes: ["keeping", "auditing"], attributes: { team, ...more } });

const ARCHIVE: Fixture = {
  policies: "archive",
  authzen: {
    subjects: { user: {}, robot: { prefix: "robot/" }, person: { agent: ["subject.properties.act", "subject.id"] } },
    purpose: ["context.purpose", { is: "keeping" }],
    actions: { can_view: "view", edit: "edit" },
    resources: {
      record: { related: { folder: { id: "resource.properties.folder", attributes: { team: "resource.properties.folder_team" } } } },
    },
    meets: ["notify"],
  },
  facts: {
    agents: {
      ada: keeper("red", { lead: true }),
      bob: keeper("red"),
      cem: keeper("blue"),
      dan: { ...keeper("blue"), purposes: ["helping"] },
      eve: { ...keeper("red"), status: "suspended" },
      "robot/r1": keeper("green"),
    },
    tasks: {
      "T-1": { agent: "ada", purpose: "auditing", subjects: { record: ["1", "9"] } },
      "T-2": { agent: "cem", purpose: "auditing", subjects: { folder: ["red/2026"] } },
      "T-3": { agent: "ada", purpose: "auditing", subjects: { record: ["1"] }, ended: true },
    },
  },
  entities: {
    user: { bob: { role: "clerk" }, "auth0|7": {} },
    person: { front: { act: "bob" }, back: { act: "nobody" } },
    record: {
      "1": { team: "red", owner: "bob", level: "low", readers: [] },
      "2": { team: "red", owner: "ada", level: "high", folder: "red/2026", folder_team: "red", readers: [] },
      "3": { team: "blue", owner: "cem", level: "low", readers: ["clerk"] },
      "4": { team: "blue", owner: "bob", level: "low", readers: ["sealed"] },
      "5": { team: "lost", level: "lost" },
      "6\u200b": { team: "red", level: "low" },
    },
    folder: { "red/2026": { team: "red" }, "red/../blue": {}, "z/../y": {} },
  },
  sections: { behavior: { enabled: false } },
};

type Of = "subject" | "resource" | "action";
const user = (id?: string) => ({ type: "user", ...(id === undefined ? {} : { id }) });
const record = (id?: string) => ({ type: "record", ...(id === undefined ? {} : { id }) });
const name = (of: string) => ({ name: of });
const soon = () => new Date(Date.now() + 600_000).toISOString();

const searching = (service: Running, of: Of, body: object, headers?: Record<string, string>): Promise<Answered> =>
  ask(service, `/access/v1/search/${of}`, body, headers);

async function found(service: Running, of: Of, body: object): Promise<string[]> {
  const { status, body: answer, text } = await searching(service, of, body);
  expect(status, text).to.equal(200);
  return (answer["results"] as Record<string, string>[]).map((one) => one["id"] ?? one["name"] ?? "");
}

const changed = async (service: Running, path: string, body: object, scope: string): Promise<void> => {
  const answer = await post(service, path, body, { authorization: `Bearer ${tokenFor(scope)}` });
  expect(answer.status, await answer.clone().text()).to.be.oneOf([200, 201]);
};

describe("AuthZEN searches of an archive", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running;
  before(async () => {
    service = await runAuthzen(ARCHIVE);
  });
  after(() => service.stop());

  const who = (action: string, resource: object, more: object = {}) => ({ subject: user(), action: name(action), resource, ...more });
  const which = (subject: object, action: string, more: object = {}) => ({ subject, action: name(action), resource: record(), ...more });
  const auditing = (task?: string) => ({ context: { purpose: "auditing", ...(task === undefined ? {} : { task }) } });

  // prettier-ignore
  const scenarios: [told: string, of: Of, body: object, results: string[]][] = [
    ["who may view a record: its team, without those who are suspended or here for something else", "subject", who("can_view", record("1")), ["ada", "bob"]],
    ["who may edit: its owner alone", "subject", who("edit", record("1")), ["bob"]],
    ["who may edit what is high: an owner who leads, since others wait for a person", "subject", who("edit", record("2")), ["ada"]],
    ["a flag that goes on permits, whoever it is", "subject", who("can_view", record("2")), ["ada", "bob", "cem", "robot/r1"]],
    ["a line of a purpose that says never stands above the owner's", "subject", who("edit", record("4")), []],
    ["through what the resource names of the subject's role", "subject", who("can_view", record("3")), ["bob", "cem"]],
    ["an identifier given in what is looked for is ignored", "subject", { ...who("edit", record("1")), subject: { type: "user", id: "ada" } }, ["bob"]],
    ["and one that is of no type at all", "subject", { ...who("edit", record("1")), subject: { type: "user", id: 7, properties: 7 } }, ["bob"]],
    ["properties of the request go before those that are known", "subject", who("can_view", { ...record("1"), properties: { team: "blue" } }), ["cem"]],
    ["but null says nothing", "subject", who("can_view", { ...record("1"), properties: { team: null } }), ["ada", "bob"]],
    ["agents of another type have their prefix", "subject", { ...who("can_view", { ...record("1"), properties: { team: "green" } }), subject: { type: "robot" } }, ["r1"]],
    ["subjects that act by an agent are found where that agent may, and agents of their own id", "subject", { ...who("edit", { ...record("8"), properties: { owner: "front", level: "low", readers: [] } }), subject: { type: "person" } }, ["front"]],
    ["and whoever says nothing of an agent is the agent of its own id", "subject", { ...who("can_view", record("1")), subject: { type: "person" } }, ["ada", "bob", "front"]],
    ["for another purpose others may", "subject", who("can_view", record("1"), { context: { purpose: "helping" } }), ["dan"]],
    ["a task is its agent's alone", "subject", who("can_view", record("1"), auditing("T-1")), ["ada"]],
    ["a task that has ended is nobody's", "subject", who("can_view", record("1"), auditing("T-3")), []],
    ["a purpose that wants a task permits nobody without one", "subject", who("can_view", record("1"), auditing()), []],
    ["subjects of a type that isn't listed", "subject", { ...who("can_view", record("1")), subject: { type: "group" } }, []],
    ["what a subject may view, and none that can't be asked about", "resource", which(user("ada"), "can_view"), ["1", "2"]],
    ["what a subject may edit", "resource", which(user("bob"), "edit"), ["1"]],
    ["what a task is about is found though nothing is known of it", "resource", which(user("ada"), "can_view", auditing("T-1")), ["1", "9"]],
    ["of paths those alone that are canonical", "resource", { ...which(user("ada"), "can_view"), resource: { type: "folder" } }, ["red/2026"]],
    ["what a task is about by a path", "resource", { ...which(user("cem"), "can_view", auditing("T-2")), resource: { type: "folder" } }, ["red/2026"]],
    ["arguments of the action count", "resource", { ...which(user("ada"), "x", auditing("T-1")), action: { name: "can_view", properties: { pages: 3 } } }, ["1", "3", "4", "9"]],
    ["what an action creates has no identifier, so whoever may create may for each", "resource", which(user("ada"), "create"), ["1", "2", "3", "4", "6\u200b"]],
    ["what somebody may do: by the names of the configuration", "action", { subject: user("bob"), resource: record("1") }, ["can_view", "edit"]],
    ["what somebody may do with an obligation that is met", "action", { subject: user("bob"), resource: record("2") }, ["can_view", "share"]],
    ["what a lead may do, without what is owed and isn't met", "action", { subject: user("ada"), resource: record("1") }, ["can_view", "create"]],
    ["an action of the request is ignored", "action", { subject: user("bob"), action: name("launch"), resource: record("1") }, ["can_view", "edit"]],
    ["and one that is no action at all", "action", { subject: user("bob"), action: 7, resource: record("1") }, ["can_view", "edit"]],
    ["nobody's actions", "action", { subject: user("mallory"), resource: record("1") }, []],
    ["actions on a type that there isn't", "action", { subject: user("ada"), resource: { type: "spaceship", id: "1" } }, []],
  ];
  for (const [told, of, body, results] of scenarios) {
    it(`${told} (${of})`, async () => {
      expect(await found(service, of, body)).to.deep.equal(results);
    });
  }

  it("a result has what is owed for it beside its identifier", async () => {
    const { body } = await searching(service, "action", { subject: user("bob"), resource: record("2") });
    const notification = {
      id: "obligation-1",
      type: "notification",
      properties: { to: "desk", body: "An action was permitted that you are to be told of." },
    };
    expect(body["results"]).to.deep.equal([{ name: "can_view" }, { name: "share", obligations: [notification] }]);
    const [share] = await found(service, "subject", who("share", record("2")));
    expect(share).to.equal("ada");
  });

  // prettier-ignore
  const wrong: [what: string, of: Of, body: object, text: RegExp][] = [
    ["no subject", "subject", { action: name("edit"), resource: record("1") }, /^field_missing: \/subject: /],
    ["a subject without a type", "subject", { ...who("edit", record("1")), subject: {} }, /^field_missing: \/subject\/type: /],
    ["a type that is no text", "subject", { ...who("edit", record("1")), subject: { type: 7 } }, /^field_type: \/subject\/type: /],
    ["no action", "subject", { subject: user(), resource: record("1") }, /^field_missing: \/action: /],
    ["no action", "resource", { subject: user("ada"), resource: record() }, /^field_missing: \/action: /],
    ["an action without a name", "resource", { subject: user("ada"), action: {}, resource: record() }, /^field_missing: \/action\/name: /],
    ["no resource", "resource", { subject: user("ada"), action: name("edit") }, /^field_missing: \/resource: /],
    ["a resource without its id", "subject", who("edit", record()), /^field_missing: \/resource\/id: /],
    ["a resource without its id", "action", { subject: user("ada"), resource: record() }, /^field_missing: \/resource\/id: /],
    ["a subject without its id", "resource", which(user(), "edit"), /^field_missing: \/subject\/id: /],
    ["a subject without its id", "action", { subject: user(), resource: record("1") }, /^field_missing: \/subject\/id: /],
    ["a context that is none", "resource", { ...which(user("ada"), "edit"), context: [] }, /^field_type: \/context: /],
    ["a task that is none", "resource", { ...which(user("ada"), "edit"), context: { task: 7 } }, /^field_type: \/context\/task: /],
    ["a property of another type", "subject", who("edit", { ...record("1"), properties: { level: "lost" } }), /^field_invalid: \/resource\/properties\/level: /],
    ["a property of another type, deep in it", "subject", who("edit", { ...record("1"), properties: { readers: ["a", 7] } }), /^field_type: \/resource\/properties\/readers\/1: /],
    ["a property of the subject's", "resource", { ...which(user("ada"), "edit"), subject: { ...user("ada"), properties: { role: 7 } } }, /^field_type: \/subject\/properties\/role: /],
    ["an argument of another type", "resource", { ...which(user("ada"), "edit"), action: { name: "edit", properties: { pages: "all" } } }, /^field_type: \/action\/properties\/pages: /],
    ["what is found elsewhere", "subject", who("edit", { ...record("1"), properties: { folder: "a", folder_team: 7 } }), /^field_type: \/resource\/properties\/folder_team: /],
    ["properties of a page that are none", "resource", { ...which(user("ada"), "edit"), page: { properties: 7 } }, /^field_type: \/page\/properties: /],
  ];
  for (const [what, of, body, text] of wrong) {
    it(`${what}: an error that names the place as it was written (${of})`, async () => {
      const answer = await searching(service, of, body, { "x-request-id": "r-1" });
      expect([answer.status, answer.headers.get("content-type"), answer.headers.get("x-request-id")]).to.deep.equal([
        400,
        "text/plain; charset=utf-8",
        "r-1",
      ]);
      expect(answer.text).to.match(text);
    });
  }

  const pages: [page: string, answered: "all" | "one" | RegExp][] = [
    ["null", "all"],
    ["{}", "all"],
    ['{"token":null,"limit":null,"properties":null}', "all"],
    ['{"properties":{"sort":"name"},"total":true,"next_token":"x"}', "all"],
    ['{"limit":1e6}', "all"],
    ['{"limit":1.0}', "one"],
    ['{"limit":1,"properties":{}}', "one"],
    ["[]", /^field_type: \/page: /],
    ['"x"', /^field_type: \/page: /],
    ['{"limit":-1}', /^field_type: \/page\/limit: /],
    ['{"limit":1.5}', /^field_type: \/page\/limit: /],
    ['{"limit":"1"}', /^field_type: \/page\/limit: /],
    ['{"limit":true}', /^field_type: \/page\/limit: /],
    ['{"token":7}', /^field_type: \/page\/token: /],
    ['{"token":""}', /^field_invalid: \/page\/token: /],
    ['{"properties":[]}', /^field_type: \/page\/properties: /],
  ];
  for (const [page, answered] of pages) {
    it(`a page that is ${page} is the same to each search`, async () => {
      const asked: [of: Of, body: object, results: string[]][] = [
        ["subject", who("can_view", record("1")), ["ada", "bob"]],
        ["resource", which(user("ada"), "can_view"), ["1", "2"]],
        ["action", { subject: user("bob"), resource: record("1") }, ["can_view", "edit"]],
      ];
      for (const [of, body, results] of asked) {
        const {
          status,
          body: answer,
          text,
        } = await ask(service, `/access/v1/search/${of}`, JSON.stringify({ ...body, page: 0 }).replace('"page":0', `"page":${page}`));
        if (answered instanceof RegExp) {
          expect([of, status]).to.deep.equal([of, 400]);
          expect(text).to.match(answered);
          continue;
        }
        expect(status, text).to.equal(200);
        const ids = (answer["results"] as Record<string, string>[]).map(({ id, name: named }) => id ?? named);
        expect(ids, of).to.deep.equal(answered === "all" ? results : results.slice(0, 1));
        expect((answer["page"] as { next_token: string }).next_token === "", of).to.equal(answered === "all");
      }
    });
  }

  it("an evaluation names the place as it was written too, alone and among several", async () => {
    const asked = { subject: user("ada"), action: name("can_view"), resource: { ...record("1"), properties: { level: "lost" } } };
    const alone = await ask(service, "/access/v1/evaluation", asked);
    expect([alone.status, alone.text]).to.deep.equal([
      400,
      "field_invalid: /resource/properties/level: a field's value is not acceptable; expected one of low, high",
    ]);
    const several = await ask(service, "/access/v1/evaluations", { evaluations: [asked, { ...asked, resource: record("1") }] });
    expect(several.body).to.nested.include({ "evaluations[0].context.error.message": alone.text, "evaluations[1].decision": true });
  });

  it("an evaluation of a subject whose type isn't listed says so", async () => {
    const { body } = await ask(service, "/access/v1/evaluation", {
      subject: { type: "group", id: "ada" },
      action: name("can_view"),
      resource: record("1"),
    });
    expect(body).to.nested.include({
      decision: false,
      "context.reason": "agent_unknown",
      "context.reason_admin.403": "nobody acts here as a subject of this type: `authzen.subjects` doesn't list it",
    });
  });

  it("answers carry the request's id, and JSON whatever its charset", async () => {
    const { status, headers } = await searching(service, "subject", who("edit", record("1")), {
      "x-request-id": "r 7 / é".normalize("NFD").replace(/[^ -~]/gu, ""),
      "content-type": "application/json; charset=utf-8",
    });
    expect([status, headers.get("content-type"), headers.get("x-request-id")]).to.deep.equal([200, "application/json", "r 7 / e"]);
    const plain = await searching(service, "subject", who("edit", record("1")), { "content-type": "text/plain" });
    expect([plain.status, plain.text]).to.satisfy(([code, said]: [number, string]) => code === 400 && said.includes("content"));
  });

  it("a limit of none has no result, and says that there is more", async () => {
    const { body } = await searching(service, "resource", which(user("ada"), "can_view", { page: { limit: 0 } }));
    expect(body["results"]).to.deep.equal([]);
    expect(body).to.nested.include({ "page.count": 0 }).and.to.have.nested.property("page.next_token").that.is.not.empty;
  });

  it("candidates that can't be asked about end a search as any other: with an empty page, and no error", async () => {
    const first = await searching(service, "resource", {
      ...which(user("ada"), "can_view", { page: { limit: 1 } }),
      resource: { type: "folder" },
    });
    const { next_token: token } = first.body["page"] as { next_token: string };
    expect(token).to.not.equal("");
    const last = await searching(service, "resource", {
      ...which(user("ada"), "can_view", { page: { token } }),
      resource: { type: "folder" },
    });
    expect(last.status, last.text).to.equal(200);
    expect(last.body).to.deep.equal({ page: { next_token: "", count: 0 }, results: [] });
  });

  it("a page goes on in a world that has changed: what is new behind it is found, what is gone isn't", async () => {
    const own = await runAuthzen(ARCHIVE);
    try {
      const asked = who("can_view", record("1"));
      const first = await searching(own, "subject", { ...asked, page: { limit: 1 } });
      expect(first.body["results"]).to.deep.equal([user("ada")]);
      await changed(own, "/agents", { id: "zoe", ...keeper("red") }, "remit:register");
      await changed(own, "/agents", { id: "aaron", ...keeper("red") }, "remit:register");
      await changed(own, "/revocations", { scope: { agent: "bob" }, reason: "gone" }, "remit:revoke");
      const { next_token: token } = first.body["page"] as { next_token: string };
      const second = await searching(own, "subject", { ...asked, page: { token } });
      expect(second.body)
        .to.nested.include({ "page.next_token": "" })
        .and.to.have.deep.property("results", [user("zoe")]);
      expect(await found(own, "subject", asked)).to.deep.equal(["aaron", "ada", "zoe"]);
    } finally {
      await own.stop();
    }
  });

  it("who is narrowed, granted something or revoked is found so from the next search on", async () => {
    const own = await runAuthzen(ARCHIVE);
    try {
      await changed(own, "/agents/ada/narrowing", { reason: "incident 12" }, "remit:revoke");
      expect(await found(own, "subject", who("can_view", record("1")))).to.deep.equal(["bob"]);
      expect(await found(own, "subject", who("can_view", record("1"), auditing("T-1")))).to.deep.equal(["ada"]);
      await changed(
        own,
        "/grants",
        {
          id: "G-1",
          agent: "cem",
          entry: { edit: "record", when: { team: "red" } },
          expires: soon(),
          reason: "help",
          requested_by: "a",
          approved_by: "b",
        },
        "remit:register",
      );
      expect(await found(own, "resource", which(user("cem"), "edit"))).to.deep.equal(["1", "2", "3"]);
      await changed(own, "/revocations", { scope: { grant: "G-1" }, reason: "over" }, "remit:revoke");
      expect(await found(own, "resource", which(user("cem"), "edit"))).to.deep.equal(["3"]);
      await changed(own, "/revocations", { scope: { purpose: "keeping" }, reason: "over" }, "remit:revoke");
      expect(await found(own, "subject", who("can_view", record("1")))).to.deep.equal([]);
      expect(await recorded(own)).to.deep.equal([]);
    } finally {
      await own.stop();
    }
  });

  it("goes through a thousand records in pages of its own size, each once, and none twice", async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `r-${i}`);
    const large = await runAuthzen({
      ...ARCHIVE,
      entities: { record: Object.fromEntries(ids.map((id, i) => [id, { team: i % 3 === 0 ? "red" : "blue", level: "low" }])) },
    });
    try {
      const all: string[] = [];
      let page = {};
      for (let pages = 0; pages < 20; pages++) {
        const { body, text } = await searching(large, "resource", which(user("bob"), "can_view", { page }));
        expect(body, text).to.have.property("page");
        const { next_token: token, count } = body["page"] as { next_token: string; count: number };
        const results = body["results"] as { id: string }[];
        expect(results).to.have.lengthOf(count);
        expect(count).to.be.at.most(100);
        all.push(...results.map(({ id }) => id));
        if (token === "") break;
        page = { token };
      }
      expect(all).to.deep.equal(ids.filter((_, i) => i % 3 === 0).sort());
    } finally {
      await large.stop();
    }
  });
});
