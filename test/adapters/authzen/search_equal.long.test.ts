/** Searches of worlds that are made up find what evaluations of each candidate permit: the same, no less and no more. */
import { randomInt } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { COMPILER_BUILD_MS_MAX } from "../../build/support.js";
import { post, tokenFor, type Running } from "../../http/running.js";
import { ask, runAuthzen } from "./running.js";

/** Given again, the same worlds and searches come: `REMIT_SEED=… make test F=authzen/search_equal`. */
const SEED = Number(process.env["REMIT_SEED"] ?? randomInt(2 ** 31));
const WORLDS = 3;
const SEARCHES_EACH = 50;

const TEAMS = ["red", "blue", "green"];
const ROLES = ["auditor", "sealed", "clerk"];
const PURPOSES = ["keeping", "auditing", "helping"];
const AGENTS = ["ada", "bob", "cem", "dan", "eve", "robot/r1", "robot/r2"];
const PEOPLE = ["ada", "bob", "cem", "guest", "auth0|7", "acting"];
const RECORDS = ["1", "2", "3", "4", "5", "6", "not canonical\u200b"];
const FOLDERS = ["a", "a/b", "c", "../c"];
const TASKS = ["T-1", "T-2", "T-3"];
const ACTIONS = ["view", "can_view", "edit", "share", "create", "launch"];

interface Entity {
  type: string;
  id: string;
  properties?: object;
}

const one = <T>(...of: T[]): fc.Arbitrary<T> => fc.constantFrom(...of);
const some = <T>(of: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...of]);
/** Each member is there or isn't, and may be null. */
const members = <T extends object>(of: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<object> => {
  const nullable = Object.entries<fc.Arbitrary<unknown>>(of).map(([name, value]) => [
    name,
    fc.oneof({ arbitrary: value, weight: 6 }, { arbitrary: fc.constant(null), weight: 1 }),
  ]);
  return fc.record(Object.fromEntries(nullable) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] });
};
const each = <T>(ids: readonly string[], value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.record(Object.fromEntries(ids.map((id) => [id, value])));

const recordProperties = members({
  team: one(...TEAMS),
  owner: one(...PEOPLE.slice(0, 4)),
  folder: one("a", "a/b", "c"),
  // A word that the vocabulary doesn't have: what is known of one candidate may be wrong.
  level: one("low", "low", "low", "high", "high", "high", "lost"),
  readers: some(ROLES),
  folder_team: one(...TEAMS),
});
const userProperties = members({ role: one(...ROLES), act: one("ada", "eve", "nobody") });

const agent = (purposes: fc.Arbitrary<string[]>) =>
  fc.record({
    owner: one("tests", "tests", "tests", "others"),
    purposes,
    attributes: members({ team: one(...TEAMS), lead: fc.boolean() }),
    status: one("active", "active", "active", "active", "suspended"),
  });
/** Those who have tasks, for whatever purpose. */
const BUSY = ["ada", "bob", "robot/r1"];

const world = fc
  .record({
    agents: fc
      .tuple(each(AGENTS, agent(fc.subarray(PURPOSES, { minLength: 2 }))), each(BUSY, agent(fc.constant(PURPOSES))))
      .map(([all, busy]) => ({ ...all, ...busy })),
    tasks: each(
      TASKS,
      fc.record({
        agent: one(...BUSY),
        purpose: one(...PURPOSES),
        subjects: fc.record({ record: one(["1"], ["1", "2", "77"]), folder: one(["a"], ["c", "d"]) }, { requiredKeys: [] }),
        attributes: members({ urgent: fc.boolean() }),
        ended: one(false, false, false, true),
      }),
    ),
    entities: fc.record({
      person: each(PEOPLE, userProperties),
      user: each(PEOPLE.slice(2), userProperties),
      record: each(RECORDS, recordProperties),
      doc: each(["1", "doc-2"], members({ team: one(...TEAMS), ownerID: one("ada", "bob") })),
      folder: each(FOLDERS, members({ team: one(...TEAMS) })),
    }),
    revoked: one({ agent: "bob" }, { owner: "others" }, { purpose: "helping" }, { task: "T-2" }, null),
    narrowed: one("ada", "cem", null),
    granted: one(
      { agent: "eve", entry: { edit: "record", when: { team: "red" } } },
      { agent: "dan", entry: { share: "record", about: "any", when: { level: "low" } } },
      null,
    ),
  })
  // Nobody can be revoked by an owner who owns nobody.
  .map((made) =>
    made.revoked?.owner !== undefined && !Object.values(made.agents).some(({ owner }) => owner === made.revoked?.owner)
      ? { ...made, revoked: null }
      : made,
  );

const entity = (type: fc.Arbitrary<string>, id: fc.Arbitrary<string>, properties: fc.Arbitrary<object>): fc.Arbitrary<Entity> =>
  fc.record({ type, id, properties }, { requiredKeys: ["type", "id"] });
const subject = fc.oneof(
  { arbitrary: entity(fc.constant("user"), one(...AGENTS.slice(0, 5)), userProperties), weight: 4 },
  {
    arbitrary: entity(one("user", "robot", "person", "group"), one(...PEOPLE, "r1", "nobody"), userProperties),
    weight: 1,
  },
);
const resource = fc.oneof(
  { arbitrary: entity(one("record", "doc"), one(...RECORDS.slice(0, 6), "77"), recordProperties), weight: 6 },
  { arbitrary: entity(fc.constant("folder"), one(...FOLDERS), fc.constant({})), weight: 3 },
  { arbitrary: entity(one("spaceship", "record"), one(...RECORDS), fc.constant({})), weight: 1 },
);
const asking = fc.record({
  searched: one("subject" as const, "resource" as const, "action" as const),
  subject,
  resource,
  action: fc.record(
    {
      name: one(...ACTIONS, "edit", "can_view", "can_view"),
      properties: members({ pages: one(1, 9), copies: one(2) }),
    },
    { requiredKeys: ["name"] },
  ),
  context: fc.oneof(
    { arbitrary: one({}, { purpose: "helping" }), weight: 4 },
    {
      arbitrary: fc.record({ purpose: one(...PURPOSES, "sabotage"), task: one(...TASKS, "T-9") }, { requiredKeys: [] }),
      weight: 2,
    },
  ),
  limit: one(undefined, undefined, 1, 3, 1000),
});

type Made = typeof world extends fc.Arbitrary<infer T> ? T : never;
type Asking = typeof asking extends fc.Arbitrary<infer T> ? T : never;
type Result = Record<string, unknown>;

async function running({ revoked, narrowed, granted, ...made }: Made): Promise<Running> {
  const service = await runAuthzen({
    policies: "archive",
    authzen: {
      subjects: {
        user: {},
        robot: { prefix: "robot/" },
        person: { agent: ["subject.properties.act", "subject.id"] },
      },
      purpose: ["context.purpose", { is: "keeping" }],
      actions: { can_view: "view" },
      resources: {
        record: { related: { folder: { id: "resource.properties.folder", attributes: { team: "resource.properties.folder_team" } } } },
        doc: { type: "record", attributes: { owner: ["resource.properties.ownerID", "resource.properties.owner"] } },
      },
      meets: ["notify"],
      page_evaluations_max: 6,
    },
    facts: { agents: made.agents, tasks: made.tasks },
    entities: made.entities,
    sections: { behavior: { enabled: false } },
  });
  const changes: [path: string, body: object | null, scope: string][] = [
    ["/revocations", revoked === null ? null : { scope: revoked, reason: "a test" }, "remit:revoke"],
    [`/agents/${String(narrowed)}/narrowing`, narrowed === null ? null : { reason: "a test", actions_per_minute: 600 }, "remit:revoke"],
    [
      "/grants",
      granted === null
        ? null
        : {
            id: "G-1",
            ...granted,
            expires: new Date(Date.now() + 600_000).toISOString(),
            reason: "a test",
            requested_by: "a",
            approved_by: "b",
          },
      "remit:register",
    ],
  ];
  expect(service.said()).to.not.include("refused");
  for (const [path, body, scope] of changes) {
    if (body === null) continue;
    const changed = await post(service, path, body, { authorization: `Bearer ${tokenFor(scope)}` });
    expect(changed.status, await changed.clone().text()).to.be.oneOf([200, 201]);
  }
  return service;
}

/** What is known of a kind: whatever a search could find. */
function known(
  { agents, tasks, entities }: Made,
  { searched, subject: { type: subjectType }, resource: { type }, context }: Asking,
): string[] {
  switch (searched) {
    case "subject":
      return [...Object.keys(agents), ...Object.keys(agents).map((id) => id.replace("robot/", "")), ...PEOPLE, subjectType];
    case "resource": {
      const about = "task" in context ? tasks[context.task]?.subjects : undefined;
      const own = type === "folder" ? about?.folder : about?.record;
      return [...Object.keys((entities as Record<string, object>)[type] ?? {}), ...(own ?? [])];
    }
    case "action":
      return ACTIONS;
  }
}

function resultOf({ searched, subject: { type: subjectType }, resource: { type } }: Asking, id: string): Result {
  if (searched === "action") return { name: id };
  return { type: searched === "subject" ? subjectType : type, id };
}

/** Every candidate by an evaluation of its own. */
async function byEvaluation(service: Running, made: Made, asked: Asking): Promise<Result[]> {
  const { searched, context } = asked;
  const candidates = [...new Set(known(made, asked))].map((id) => resultOf(asked, id));
  // A verb that a configured action means is found by that action's name.
  const named = candidates.filter(({ name }) => name !== "view");
  // None at all would be one evaluation of what the search itself was asked about.
  if (named.length === 0) return [];
  const { status, body, text } = await ask(service, "/access/v1/evaluations", {
    ...{ subject: asked.subject, action: asked.action, resource: asked.resource, context },
    evaluations: named.map((candidate) => ({ [searched]: candidate })),
  });
  expect(status, text).to.equal(200);
  const answers = body["evaluations"] as { decision: boolean; context: { obligations?: object[] } }[];
  return named.flatMap((candidate, i) => {
    const {
      decision,
      context: { obligations },
    } = answers[i] as (typeof answers)[0];
    if (!decision) return [];
    return [{ ...candidate, ...(obligations === undefined ? {} : { obligations }) }];
  });
}

async function bySearch(service: Running, { searched, limit, context, ...entities }: Asking): Promise<Result[]> {
  const found: Result[] = [];
  const { action, ...others } = entities;
  let page: object = limit === undefined ? {} : { limit };
  for (;;) {
    const { status, body, text } = await ask(service, `/access/v1/search/${searched}`, {
      ...others,
      ...(searched === "action" ? {} : { action }),
      context,
      page,
    });
    // Then no candidate can be asked about, and each evaluation has said so.
    if (status === 400 && found.length === 0) return [];
    expect(status, text).to.equal(200);
    const results = body["results"] as Result[];
    expect(results.length).to.be.at.most(limit ?? 100);
    found.push(...results);
    const { next_token } = body["page"] as { next_token: string };
    if (next_token === "") return found;
    page = { token: next_token };
  }
}

describe(`AuthZEN searches of worlds that are made up (REMIT_SEED=${SEED})`, function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  const worlds = fc.sample(world, { numRuns: WORLDS, seed: SEED });
  let [found, empty] = [0, 0];

  for (const [i, made] of worlds.entries()) {
    it(`find what evaluations permit, each once, and with its obligations (${i + 1})`, async () => {
      const service = await running(made);
      try {
        const property = fc.asyncProperty(asking, async (asked) => {
          const permitted = await byEvaluation(service, made, asked);
          const results = await bySearch(service, asked);
          const sorted = (of: Result[]): string[] => of.map((result) => JSON.stringify(result)).sort();
          expect(sorted(results)).to.deep.equal(sorted(permitted));
          if (permitted.length > 0) found++;
          else empty++;
        });
        await fc.assert(property, { numRuns: SEARCHES_EACH, seed: SEED + i });
      } finally {
        await service.stop();
      }
    });
  }

  after("they were about something", () => {
    for (const times of [found, empty]) expect(times).to.be.above((WORLDS * SEARCHES_EACH) / 20);
  });
});
