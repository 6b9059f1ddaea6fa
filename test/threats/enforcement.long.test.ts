/** What happens between a decision and the action, where a client and a guard enforce it. */
import { hash } from "node:crypto";
import type { Action, Permitted, RemitClient } from "../../src/client/index.js";
import { canonicalAction, type Answer, type DecideRequest, type Reason } from "../../src/contract/index.js";
import { Pretended } from "./pretend.js";
import { cut } from "./cut.js";
import { codeIn, codeOf, threat, type Tree } from "./threat.js";

const digest = (asked: object): Promise<string> => {
  const { task = null, ...rest } = asked as DecideRequest;
  return Promise.resolve(`sha256:${hash("sha256", canonicalAction(rest, task))}`);
};

async function opened(tree: Tree): Promise<{ client: RemitClient; world: Pretended }> {
  const { RemitClient } = await tree("client/index.js");
  const world = new Pretended(digest);
  const client = new RemitClient({ url: "http://remit.example", token: "t" }, world.outside);
  await client.ready();
  return { client, world };
}

const asking = (): Action => ({
  agent: "a-1",
  purpose: "testing",
  task: "T-1",
  verb: "pay",
  resource: { type: "invoice", id: "I-1", attributes: { customer: "ada" } },
  related: { to: { type: "account", id: "DE1" } },
  arguments: { amount: 10, note: ["rent"] },
});

const nothing = (_: Permitted): number => 1;
const LATER_MS = 1000;
const later = (): Promise<string> =>
  new Promise((resolve) => {
    setTimeout(resolve, LATER_MS, "nothing");
  });

/** Waits for what comes soon, where it comes at all. */
async function soon(holds: () => boolean): Promise<void> {
  for (const began = performance.now(); !holds() && performance.now() - began < LATER_MS;) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Each field, changed after it was asked about. */
const MUTATIONS: readonly [what: string, change: (given: Action) => void][] = [
  ["agent", (given) => (given.agent = "a-2")],
  ["purpose", (given) => (given.purpose = "other")],
  ["task", (given) => (given.task = "T-2")],
  ["task left out", (given) => delete given.task],
  ["verb", (given) => (given.verb = "refund")],
  ["type", (given) => (given.resource.type = "account")],
  ["id", (given) => (given.resource.id = "I-2")],
  ["no id", (given) => (given.resource.id = null)],
  ["attribute", (given) => ((given.resource.attributes ?? {})["customer"] = "bob")],
  ["related id", (given) => (given.related = { to: { type: "account", id: "DE2" } })],
  ["related role", (given) => (given.related = { from: { type: "account", id: "DE1" } })],
  ["argument", (given) => ((given.arguments ?? {})["amount"] = 10_000)],
  ["argument's element", (given) => ((given.arguments as { note: string[] }).note[0] = "loan")],
  ["another argument", (given) => ((given.arguments ?? {})["to"] = "DE2")],
  ["no arguments", (given) => delete given.arguments],
];

threat("A10", "an action runs as it was decided, in time, and only while nothing has taken that back", {
  async check(tree) {
    const { client, world } = await opened(tree);
    for (const [what, change] of MUTATIONS) {
      const given = asking();
      const call = client.guard(given, nothing);
      change(given);
      if ((await codeOf(() => call)) !== "action_changed") return `${what} was changed`;
    }
    let altered = "";
    const call = client.guard(asking(), ({ action }) => {
      try {
        (action.arguments as { note: string[] }).note.push("and more");
      } catch {
        return;
      }
      altered = JSON.stringify(action.arguments);
    });
    await call;
    if (altered !== "") return `what was decided became ${altered}`;

    world.answer = (answer) => ({ ...answer, action_digest: `sha256:${"0".repeat(64)}` });
    if ((await codeOf(() => client.guard(asking(), nothing))) === "accepted") return "an answer about another action";
    world.answer = (answer) => answer;

    for (const [on_its_way, waits, code] of [
      [0, 4999, "accepted"],
      [0, 5000, "answer_expired"],
      [0, 5001, "answer_expired"],
      [1500, 3499, "accepted"],
      [1500, 3500, "answer_expired"],
    ] as const) {
      world.takes_ms = on_its_way;
      const held = await client.decide(asking());
      world.now_ms += waits;
      const found = await codeOf(() => client.act(held, nothing));
      if (found !== code) return `${waits} ms after an answer that took ${on_its_way} ms: ${found}`;
    }
    world.takes_ms = 0;

    const kept = await client.decide(asking());
    const unconcerned = await client.decide(asking());
    world.revoke("a-9");
    await new Promise((resolve) => setImmediate(resolve));
    if ((await codeOf(() => client.act(unconcerned, nothing))) !== "accepted") return "another's revocation took it back";
    let began = false;
    const running = codeOf(() => client.guard(asking(), () => ((began = true), new Promise(() => undefined))));
    await soon(() => began);
    world.revoke("a-1");
    await soon(() => kept.fault !== null);
    const taken = await codeOf(() => client.act(kept, nothing));
    if (taken !== "answer_dropped") return `after a revocation: ${taken}`;
    const stopped = await Promise.race([running, later()]);
    if (stopped !== "stopped") return `in mid-run, after a revocation: ${stopped}`;

    const unheard = await client.decide(asking());
    world.silence();
    await soon(() => unheard.fault !== null);
    const silent = await codeOf(() => client.act(unheard, nothing));
    await client.close();
    return silent === "not_live" ? null : `while nothing was heard: ${silent}`;
  },
  without: {
    "the action being looked at again": [cut.refusal("client/action_on_hold.js", "faultNow", "action_changed")],
    "a copy that nobody can change": [cut.call("client/action.js", "frozen", "freeze", "value")],
    "the digest": [cut.refusal("client/client.js", "#ask", "answer_other_action")],
    "the validity": [cut.refusal("client/action_on_hold.js", "faultNow", "answer_expired")],
    "its last millisecond": [
      cut.condition("client/action_on_hold.js", "faultNow", "#outside", "this.#outside.monotonic() > this.until_ms"),
    ],
    "counting since the request was sent": [
      cut.text(
        "client/transport.js",
        "#exchange",
        "parsed(await textOf(response, answer_bytes_max)), sent_ms",
        "parsed(await textOf(response, answer_bytes_max)), sent_ms: this.#outside.monotonic()",
      ),
    ],
    "changes taking answers back": [cut.refusal("client/action_on_hold.js", "faultNow", "answer_dropped")],
    "changes stopping what runs": [cut.call("client/running_action.js", "#stop", "stop")],
    "hearing changes": [cut.always("client/action_on_hold.js", "faultNow", "fresh", "#follower")],
  },
});

threat("A11", "an answer is to one request, of one client, and is acted on once", {
  async check(tree) {
    const [{ client, world }, other] = [await opened(tree), await opened(tree)];
    const held = await client.decide(asking());
    await client.act(held, nothing);
    if ((await codeOf(() => client.act(held, nothing))) === "accepted") return "the same answer, twice";
    const once = await client.decide(asking());
    const twice = await Promise.all([1, 2].map(() => codeOf(() => client.act(once, nothing))));
    if (twice.filter((code) => code === "accepted").length !== 1) return `the same answer, twice at once: ${twice.join()}`;
    const anothers = await client.decide(asking());
    const another = await codeOf(() => other.client.act(anothers, nothing));
    if (another === "accepted") return "another guard's answer";

    const former: Answer[] = [];
    world.answer = (answer) => (former.push(answer), answer);
    await client.guard(asking(), nothing);
    const [old] = former;
    for (const [what, answer] of [
      ["the answer to an earlier request", () => old],
      ["an answer that names no request", ({ request_id: _, ...rest }: Answer) => rest],
      ["an answer to the next request", (given: Answer) => ({ ...given, request_id: `${given.request_id ?? ""}1` })],
      ["a decision that came before, to this request", (given: Answer) => ({ ...given, decision_id: old?.decision_id })],
    ] as const) {
      world.answer = answer as typeof world.answer;
      if ((await codeOf(() => client.guard(asking(), nothing))) === "accepted") return what;
    }
    // After a restart a client has the same token, and asks about the same.
    const { RemitClient } = await tree("client/index.js");
    const restarted = new RemitClient({ url: "http://remit.example", token: "t" }, world.outside);
    const { request_id = "" } = old ?? {};
    world.answer = (given) => ({ ...given, request_id });
    const before = await codeOf(() => restarted.guard(asking(), nothing));
    for (const one of [client, other.client, restarted]) await one.close();
    return before === "accepted" ? "an answer from before the guard's start" : null;
  },
  without: {
    "one use": [cut.refusal("client/action_on_hold.js", "faultNow", "answer_used")],
    "its being whoever asked that acts": [cut.refusal("client/client.js", "act", "answer_foreign")],
    "the names of requests": [cut.refusal("client/client.js", "#ask", "answer_foreign")],
    "names of each client's own": [
      cut.call("client/client.js", "constructor", "uuid", '"client"'),
      cut.value("client/client.js", "#ask", "id", "`${this.#start}-1`"),
    ],
    "each decision coming once": [cut.refusal("client/client.js", "#remember", "answer_replayed")],
  },
});

type Faulty = (world: Pretended) => void;
const answering =
  (make: (answer: Answer) => object): Faulty =>
  (world) =>
    void (world.answer = make);
const responding =
  (respond: () => Response | Promise<Response>): Faulty =>
  (world) => {
    const { fetch } = world.outside;
    world.outside.fetch = (url, init) => (url.pathname === "/events" ? fetch(url, init) : Promise.resolve(respond()));
  };
const whole = (answer: Answer, changes: object): object => ({ ...answer, ...changes });
const inJson = (body: string, status = 200, type = "application/json"): Faulty =>
  responding(() => new Response(body, { status, headers: { "content-type": type } }));

/** What a service may do wrong, or whoever stands between. None of it may let anything run. */
const FAULTS: readonly [what: string, fault: Faulty][] = [
  ["nobody is there", responding(() => Promise.reject(new TypeError("refused")))],
  ["it never answers", responding(() => new Promise<Response>(() => undefined))],
  ["half an answer", inJson('{"decision":"allow","proceed":true')],
  ["garbage", inJson("\u0000\u0001")],
  ["an answer of another type", inJson('{"proceed":true}', 200, "text/html")],
  ["an empty answer", inJson("")],
  ["a bare true", inJson("true")],
  ["an error", inJson('{"code":"internal"}', 500, "application/problem+json")],
  ["no room", inJson('{"code":"overloaded"}', 503, "application/problem+json")],
  ["a refusal", inJson('{"code":"token_invalid"}', 401, "application/problem+json")],
  ["a redirection", responding(() => new Response(null, { status: 307, headers: { location: "http://elsewhere" } }))],
  [
    "a good answer that was created",
    (world) => {
      const { fetch } = world.outside;
      world.outside.fetch = async (url, init) => {
        const response = await fetch(url, init);
        return url.pathname === "/events" ? response : new Response(response.body, { status: 201, headers: response.headers });
      };
    },
  ],
  ["an answer without end", inJson(`{"x":"${"x".repeat(4 * 1024 * 1024)}"}`)],
  ["a deny that proceeds", answering((answer) => whole(answer, { decision: "deny", proceed: true }))],
  [
    "a wait that proceeds",
    answering((answer) => whole(answer, { decision: "flag", wait: { for: "approval", until: "2030-01-01T00:00:00Z" } })),
  ],
  ["an allow that does not proceed", answering((answer) => whole(answer, { proceed: false }))],
  ["a flag that does not", answering((answer) => whole(answer, { decision: "flag", proceed: false }))],
  ["a proceed that is a text", answering((answer) => whole(answer, { proceed: "true" }))],
  ["no decision", answering((answer) => whole(answer, { decision: undefined }))],
  ["a validity of nothing", answering((answer) => whole(answer, { valid_for_ms: 0 }))],
  ["a validity without end", answering((answer) => whole(answer, { valid_for_ms: 1e12 }))],
  ["another request's", answering((answer) => whole(answer, { request_id: "other" }))],
  ["another action's", answering((answer) => whole(answer, { action_digest: `sha256:${"0".repeat(64)}` }))],
  ["an obligation to come", answering((answer) => whole(answer, { obligations: [{ type: "later" }] }))],
  ["an obligation that says more", answering((answer) => whole(answer, { obligations: [{ type: "redact", fields: ["a"], unless: "b" }] }))],
  ["no obligations", answering((answer) => whole(answer, { obligations: null }))],
  ["a confirmation that nobody can give", answering((answer) => whole(answer, { obligations: [{ type: "confirm", with: "ada" }] }))],
  ["an answer that took too long", (world) => void (world.takes_ms = 60_000)],
];

const HANGS_MS = 10_000;

threat("G4", "whatever a service does wrong, no guard lets anything run", {
  async check(tree) {
    const { RemitClient } = await tree("client/index.js");
    const { guardFetch } = await tree("guards/http.js");
    const routes = [{ on: "GET /i/:id", verb: "read", type: "invoice", id: "id" }];
    const who = (): { agent: string; purpose: string } => ({ agent: "a-1", purpose: "testing" });
    const ways: Record<string, (client: RemitClient, run: () => void) => Promise<unknown>> = {
      guard: (client, run) =>
        client.guard(asking(), (_: Permitted) => {
          run();
        }),
      "guard, in a batch": (client, run) =>
        Promise.allSettled(
          Array.from({ length: 12 }, () =>
            client.guard(asking(), (_: Permitted) => {
              run();
            }),
          ),
        ),
      act: async (client, run) =>
        client.act(await client.decide(asking()), (_: Permitted) => {
          run();
        }),
      "an HTTP guard": (client, run) => guardFetch(client, { routes, who }, () => (run(), new Response()))(new Request("http://x/i/n-1")),
    };
    for (const [what, fault] of [["nothing", () => undefined] as const, ...FAULTS]) {
      for (const [way, call] of Object.entries(ways)) {
        const world = new Pretended(digest);
        const client = new RemitClient({ url: "http://remit.example", token: "t", deadline_ms: 50, retries_max: 0 }, world.outside);
        await client.ready();
        fault(world);
        let ran = 0;
        const calling = { over: false };
        const end = (): void => void (calling.over = true);
        call(client, () => ran++).then(end, end);
        // The clock is the test's: what waits for its deadline gets there. Digests are made by another thread, in time of its own.
        const began = performance.now();
        for (let turn = 1; !calling.over && performance.now() - began < HANGS_MS; turn++) {
          await new Promise((resolve) => setImmediate(resolve));
          if (turn % 10 === 0 && what !== "nothing") world.pass(1);
        }
        void client.close();
        if (!calling.over) return `${what}: ${way} hangs`;
        if (what === "nothing" ? ran === 0 : ran > 0) return `${what}: ${way} ran ${ran}`;
      }
    }
    return null;
  },
  without: {
    "an answer's form": [cut.refusal("client/answer.js", "readAnswer", "answer_unreadable")],
    "an answer's logic": [cut.refusal("client/answer.js", "readAnswer", "answer_contradictory")],
    "a bound of its validity": [cut.always("client/answer.js", "isAnswer", "VALID_FOR_MS_MAX")],
    "its being to this request": [cut.refusal("client/client.js", "#ask", "answer_foreign")],
    "its being about this action": [cut.refusal("client/client.js", "#ask", "answer_other_action")],
    "its end": [cut.refusal("client/action_on_hold.js", "faultNow", "answer_expired")],
  },
});

const SECRET = /bob|I-1|DE1|125000|unrelated_financials|no_such|customer_support/;

threat("A14", "what a model gets to see of a refusal are fixed sentences", {
  async check(tree) {
    const { client, world } = await opened(tree);
    const { guardFetch } = await tree("guards/http.js");
    const handle = guardFetch(
      client,
      { routes: [{ on: "GET /i/:id", verb: "read", type: "invoice", id: "id" }], who: () => ({ agent: "a-1", purpose: "testing" }) },
      () => new Response(),
    );
    const shapes = new Set<string>();
    const refusals: Reason[][] = [
      [
        {
          effect: "deny",
          code: "unrelated_financials",
          severity: "high",
          message: "invoice I-1 of bob, over 125000",
          params: { customer: "bob" },
        },
      ],
      [{ effect: "deny", code: "no_such_type", severity: "medium", message: "customer_support has no type", params: {} }],
    ];
    for (const reasons of refusals) {
      world.reasons = reasons;
      const error = await client.guard(asking(), nothing).catch((thrown: unknown) => thrown);
      if (codeIn(error) !== "denied") return `it was ${codeIn(error)}`;
      const { message, tell_agent } = error as Error & { tell_agent: string };
      for (const shown of [message, tell_agent, String(error)]) if (SECRET.test(shown)) return `it says: ${shown}`;
      const response = await handle(new Request("http://x/i/n-1"));
      const said = (await response.json()) as object;
      if (SECRET.test(JSON.stringify(said))) return `the problem says: ${JSON.stringify(said)}`;
      shapes.add(`${response.status} ${message} ${Object.keys(said).sort().join()}`);
    }
    await client.close();
    return shapes.size === 1 ? null : `they can be told apart: ${[...shapes].join(" | ")}`;
  },
  without: {
    "a message that is what the model may know": [
      cut.text("client/errors.js", "Denied.constructor", "answer?.tell_agent", "answer?.reasons[0]?.message"),
    ],
    "one code for what is denied": [
      cut.text("guards/http_refusals.js", "refusalOf", "detail: message", "detail: message, reason: answer?.reasons[0]?.code"),
    ],
    "messages staying with who operates": [
      cut.text("guards/http_refusals.js", "refusalOf", "detail: message", "detail: answer?.reasons[0]?.message"),
    ],
  },
});
