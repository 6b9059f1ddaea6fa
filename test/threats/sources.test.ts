/** Where bundles come from, and how they begin to decide. */
import { decider } from "../../src/decision/decide.js";
import { systemTimers } from "../../src/system/index.js";
import { NOW_MS, archive, bundleBytes, content, policyData } from "../bundle/support.js";
import { ALLOWED, CALLER, REQUEST, World, policyOf } from "../decision/world.js";
import { TestServer, having } from "../sources/server.js";
import { NEVER, Place, again, old12 } from "../policy/place.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";

threat("C11", "a source of bundles leads to no private address, and to no other host", {
  async check(tree) {
    const { Requests } = await tree("sources/requests.js");
    const server = await new TestServer(having(Buffer.from("inside"))).start();
    const other = await new TestServer(having(Buffer.from("other"))).start();
    const outside = new Requests({ private: false, redirect_hosts: [] }, systemTimers);
    const named = new Requests({ private: true, redirect_hosts: [other.host] }, systemTimers);
    const unnamed = new Requests({ private: true, redirect_hosts: [] }, systemTimers);
    const get = (by: typeof outside, url: string): Promise<boolean> =>
      by.get({ url: new URL(url), headers: { authorization: "Bearer secret" }, timeout_ms: 2000, bytes_max: 100 }).then(
        () => true,
        () => false,
      );
    try {
      if (await get(outside, server.url())) return "a private address was asked";
      if (await get(outside, server.url().replace("127.0.0.1", "localhost"))) return "a name with a private address was asked";
      server.answering = (_, response) => response.writeHead(302, { location: other.url() }).end();
      if (await get(unnamed, server.url())) return "a redirect was followed to another host";
      if (!(await get(named, server.url()))) return "a redirect to a named host was not followed";
      if (other.asked.some(({ headers }) => headers.authorization !== undefined)) return "credentials went to another host";
      server.answering = having(Buffer.alloc(101));
      if (await get(unnamed, server.url())) return "an answer without bound was read";
      return null;
    } finally {
      for (const requests of [outside, named, unnamed]) requests.close();
      await Promise.all([server.stop(), other.stop()]);
    }
  },
  without: {
    "the look at addresses": [cut.never("sources/requests.js", "#once", "isPrivate")],
    "the look at what names lead to": [cut.text("system/addresses.js", "checkedLookup", "inside !== undefined || ", "")],
    "the look at where redirects lead": [
      cut.text(
        "sources/requests.js",
        "#redirected",
        "if (isSecure && this.#options.redirect_hosts.includes(next.host)) return next;",
        "return next;",
      ),
    ],
    "the loss of credentials": [cut.text("sources/requests.js", "get", "if (next.origin !== at.origin)", "if (false)")],
    "the bound of an answer": [
      cut.text("system/answer_body.js", "answerBody", 'if (Number(headers["content-length"] ?? 0) > bytesMax) throw tooMany;', ""),
      cut.text("system/answer_body.js", "answerBody", "if (bytes > bytesMax) throw tooMany;", ""),
    ],
  },
});

threat("C12", "the way back leads to what decided here before, and to nothing else", {
  async check(tree) {
    const { WayBack } = await tree("policy/way_back.js");
    const place = await Place.open();
    try {
      const wayBack = await place.wayBack(WayBack);
      for (const [what, bytes] of [
        ["a policy that never decided here", await bundleBytes({ ...NEVER, sequence: 14 }, policyData(["another"]))],
        ["the active policy", await again(14, Promise.resolve(Buffer.from(place.active.bytes)))],
        ["an older sequence", await old12()],
        ["what nobody has signed", await archive(content({ ...NEVER, sequence: 14 }, policyData(["testing"])))],
      ] as const)
        if ((await codeOf(() => wayBack.keep(bytes))) === "accepted") return `${what} was kept`;
      const { digest } = await wayBack.keep(await again(14, old12(), NOW_MS + 1000));
      if ((await codeOf(() => wayBack.archive(place.active.identity.digest))) === "accepted") return "another digest was taken for it";
      place.now_ms += 1000;
      if ((await codeOf(() => wayBack.archive(digest))) === "accepted") return "it was given after its end";
      place.now_ms = NOW_MS;
      await place.activate(await bundleBytes({ ...NEVER, sequence: 15 }, policyData(["testing", "third"])));
      if ((await codeOf(() => wayBack.archive(digest))) === "accepted") return "it was given after a later bundle";
      return null;
    } finally {
      await place.close();
    }
  },
  without: {
    "the look for an earlier bundle": [cut.text("policy/way_back.js", "#look", "await this.#earlier(bundle)", "bundle.identity")],
    "the look at the active one": [cut.never("policy/way_back.js", "#earlier", "running", "policyDigest")],
    "the comparison with what is trusted": [cut.text("policy/way_back.js", "#look", "this.#options.trusted.check(bundle.identity);", "")],
    "the signature": [cut.text("policy/way_back.js", "#look", "await this.#options.verify(bytes)", "await readUnverified(bytes)")],
    "its end": [cut.never("policy/way_back.js", "status", "expires_ms", "wall")],
    "the end by a later bundle": [cut.text("policy/way_back.js", "status", "this.#options.trusted.check(identity);", "")],
    "the digest that was shown": [cut.never("policy/way_back.js", "archive", "status", "digest")],
  },
});

threat("D1", "a staged bundle decides for nobody beyond its share, and ends by itself", {
  async check(tree) {
    const { Staging } = await tree("policy/staging.js");
    const later: (() => void)[] = [];
    let stage: InstanceType<typeof Staging> | null = null;
    const world = new World((pdp) => {
      stage = new Staging({
        clock: pdp.system.clock,
        timers: { turnEnd: (call) => later.push(call) },
        limits: { compared_min: 5, flips_percent_max: 10, errors_max: 1 },
        ended: () => undefined,
      });
      return decider({ ...pdp, stage });
    });
    const { active } = world;
    const staging = stage as InstanceType<typeof Staging> | null;
    if (active === null || staging === null) return "nothing is active";
    const isStaged = (): boolean => staging.status !== null;
    const decide = async (): Promise<number> => {
      const { answer } = await world.decider.decideAction(REQUEST, CALLER);
      for (let call = later.shift(); call !== undefined; call = later.shift()) call();
      return answer.policy.sequence;
    };
    const denying = policyOf(() => ({ decision: "allow" }), 2);
    staging.begin(
      policyOf(() => ALLOWED, 2),
      active,
      0,
    );
    for (let i = 0; i < 5; i++) if ((await decide()) !== 1) return "a bundle in shadow decided";
    staging.begin(denying, active, 0);
    for (let i = 0; i < 2; i++) await decide();
    if (isStaged()) return "one that fails stayed";
    staging.begin(
      policyOf(
        () => ({
          decision: "flag",
          proceed: false,
          reasons: [{ effect: "flag", code: "unrelated", severity: "high", params: {}, proceed: false }],
          obligations: [],
        }),
        2,
      ),
      active,
      99,
    );
    for (let i = 0; i < 5; i++) await decide();
    return !isStaged() && (await decide()) === 1 ? null : "one whose answers differ stayed";
  },
  without: {
    "shadow deciding nothing": [
      cut.text("policy/staging.js", "policyFor", " || stage.status.share === 0", ""),
      cut.returns("policy/staging.js", "isInShare", "true"),
    ],
    "the count of failures": [cut.text("policy/staging.js", "#judge", "errors > errors_max", "false")],
    "the count of differences": [cut.text("policy/staging.js", "#judge", "compared >= compared_min", "false")],
  },
});
