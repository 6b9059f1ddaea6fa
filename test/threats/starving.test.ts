/** Somebody asks for so much that others find no room. */
import { ENDPOINTS } from "../../src/adapters/authzen/authzen.js";
import { Problem } from "../../src/contract/index.js";
import { system } from "../../src/system/index.js";
import { StillTimers } from "../facts/world.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

const MAX = 16;
const SHARE = 8;
const OTHERS = 8;

threat("A17", "what is decided at once is bounded, and of it what one caller asks for", {
  async check(tree) {
    const { admission } = await tree("http/admission.js");
    const timers = new StillTimers();
    const { admit } = admission(MAX, timers, SHARE);
    let underWay = 0;
    const ends: (() => void)[] = [];
    const decide = async (): Promise<string> => {
      underWay++;
      await new Promise<void>((resolve) => ends.push(resolve));
      underWay--;
      return "decided";
    };
    const asked = (by: string): Promise<string> => admit(decide, by).catch((cause: unknown) => String(cause));
    const hostile = Array.from({ length: 10 * MAX }, () => asked("hostile"));
    if (underWay > SHARE) return `${underWay} of one caller are under way`;
    const others = Array.from({ length: OTHERS }, (_, i) => asked(`other ${i}`));
    if (underWay < SHARE + OTHERS) return "others find no room";
    const more = Array.from({ length: 10 * MAX }, (_, i) => asked(`more ${i}`));
    if (underWay > MAX) return `${underWay} are under way`;
    // Those that are refused are held back for a while, and then told.
    await timers.advance(1000);
    for (let turn = 0; ends.length > 0; turn++) {
      for (const end of ends.splice(0)) end();
      await new Promise((resolve) => setImmediate(resolve));
      if (turn > 100) throw new Error("it never ends");
    }
    const told = await Promise.all(others);
    if (told.some((one) => one !== "decided")) return `others are told ${told.join(", ")}`;
    const refused = (await Promise.all([...hostile, ...more])).filter((one) => one !== "decided");
    if (refused.length !== 20 * MAX - SHARE) return `${refused.length} were refused`;
    // What is over leaves room, for whoever had it too.
    const again = asked("hostile");
    if (ends.length === 0) return "its share is never given back";
    for (const end of ends.splice(0)) end();
    if ((await again) !== "decided") return "it is refused after all";

    // Of large ones few are begun at once, and each has its turn, in the order that they came.
    const batches = Array.from({ length: SHARE }, () => admit(decide, "hostile", SHARE - 1));
    const another = asked("another");
    if (underWay !== 2 + 1) return `${underWay - 1} large ones of one caller are under way`;
    for (let turn = 0; turn < SHARE; turn++) {
      for (const end of ends.splice(0)) end();
      await new Promise((resolve) => setImmediate(resolve));
      if (underWay > 2) return `${underWay} of one caller are under way`;
    }
    const left = await Promise.race([Promise.all([...batches, another]), new Promise((resolve) => setImmediate(resolve, "left"))]);
    return left === "left" ? "some have never had their turn" : null;
  },
  without: {
    "a share for each caller": [cut.never("http/admission.js", "admit", "requests", "share_max")],
    "the bound on all": [cut.never("http/admission.js", "admit", "underWay")],
    "what one caller's requests ask for being counted": [cut.always("http/admission.js", "admit", "decisions")],
    "turns being given on": [cut.call("http/admission.js", "admit", "beginMore")],
    "room being given back": [cut.condition("http/admission.js", "admit", ["requests", "0"], "share.requests === 0")],
  },
});

/** Whatever is asked in them, each body is as long as so many decisions. */
const DECISIONS = 4;
const BODY = JSON.stringify({ input: {}, pad: "x".repeat(DECISIONS * 256) });
/** What asks for many decisions at once, and what it is sent. */
const ROUTES: [path: string, body: string][] = [
  ["/decide", BODY],
  ["/decide/batch", BODY],
  ["/v1/data/remit/decide", BODY],
  ["/v1/batch/data/remit/decide", BODY],
  [ENDPOINTS.evaluations, BODY],
  [ENDPOINTS.resource, "{}"],
];

threat("A17", "what a request asks for counts wherever decisions are asked for, however little it sends", {
  async check(tree) {
    const { admission } = await tree("http/admission.js");
    const { httpServer } = await tree("http/server.js");
    for (const [path, body] of ROUTES) {
      let [arrived, begun, isOpen] = [0, 0, false];
      let open = (): void => undefined;
      const opened = new Promise<void>((resolve) => (open = resolve));
      const decide = async (): Promise<never> => {
        begun++;
        if (!isOpen) await opened;
        throw new Problem("internal");
      };
      const stubs = {
        decider: { decide, decideBatch: decide, intake: { authenticatedBody: decide } },
        authzen: { base: "", evaluation: decide, evaluations: decide, search: decide },
        metrics: { decided: () => undefined, problem: () => undefined },
        records: { refused: () => undefined },
        logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
        timers: system.timers,
        admission: admission(MAX, system.timers, DECISIONS),
        identity: { knownCaller: () => null, provenCaller: () => Promise.resolve(null) },
        flights: { begin: () => arrived++ },
        newId: () => "id-1",
        hosts: ["127.0.0.1"],
        limits: {
          body_bytes_max: 4096,
          batch_bytes_max: 4096,
          batch_actions_max: DECISIONS,
          bundle_bytes_max: 4096,
          header_bytes_max: 4096,
          connections_max: 10,
          headers_ms: 1000,
          body_ms: 5000,
          keep_alive_ms: 1000,
          observe: { streams_max: 1, bytes_max: 1000, idle_ms: 1000 },
        },
      };
      const server = httpServer(stubs as unknown as Parameters<typeof httpServer>[0], "0.0.0");
      const { port } = await server.listen("127.0.0.1", 0);
      try {
        const headers = { authorization: "Bearer hostile", "content-type": "application/json" };
        const asked = Array.from({ length: 3 }, () => fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body }));
        while (arrived < asked.length) await new Promise((resolve) => setTimeout(resolve, 5));
        const atOnce = begun;
        isOpen = true;
        open();
        for (const answer of await Promise.all(asked)) await answer.arrayBuffer();
        if (atOnce !== 1) return `${path}: ${atOnce} of one caller are begun at once`;
        if (begun !== asked.length) return `${path}: ${begun} had their turn`;
      } finally {
        await server.close(0);
      }
    }
    return null;
  },
  without: {
    "bodies being counted by their length": [cut.call("http/admission.js", "decisionsIn", "max", "1")],
    "searches being counted as many": [cut.text("http/routes/authzen.js", "authzenRoutes", "() => batch_actions_max", "() => 1")],
    "batches being counted": [cut.call("http/routes/decide_batch.js", "handle", "decisionsIn", "undefined")],
  },
});

threat("A17", "what waits for a person is remembered by agent, whoever else has much that waits", {
  async check(tree) {
    const { HeldActions } = await tree("findings/held_actions.js");
    const held = new HeldActions(50);
    const wait = { for: "approval", until: "", approval_digest: "sha256:b" } as const;
    const waits = (agent: string, decision_id: string): void => {
      held.settled(agent, { decision_id, action_digest: "sha256:a", wait }, ["ada"]);
    };
    // Masked, so that the record alone doesn't say what was approved.
    const known = (decision_id: string): unknown =>
      held.of({ decision_id, action_digest: "masked", approval_digest: "masked", principals: null });
    waits("quiet", "d-1");
    for (let i = 0; i < 500; i++) waits("flooding", `flood-${i}`);
    if (known("flood-499") === null) throw new Error("nothing is remembered");
    if (held.size > 50) return `${held.size} are remembered`;
    return known("d-1") === null ? "another agent's is forgotten" : null;
  },
  without: {
    "what waits being counted by agent": [
      cut.text("findings/held_actions.js", "HeldActions.settled", "this.#actions.set(agent,", 'this.#actions.set("all",'),
    ],
    "its bound": [cut.text("findings/held_actions.js", "HeldActions.constructor", "new FairMap(held_max)", "new FairMap(Infinity)")],
  },
});
