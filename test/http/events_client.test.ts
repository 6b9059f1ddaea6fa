import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import ts from "typescript";
import { asset } from "../../src/system/paths.js";
import { ask, decided, runWithFacts, withAgent } from "./asking.js";
import { DECIDE } from "./following.js";
import type { Running } from "./running.js";

interface Call {
  agent: string;
  purpose: string;
  task: string | null;
  abort: AbortController;
}

/** The loop that `docs/events.md` shows, with what it leaves to whoever copies it. */
function documented(
  proceeds: (call: Call, revision: number | null) => Promise<boolean>,
  pause: () => Promise<void>,
): { running: Map<string, Call>; follow: (url: string, token: () => string) => Promise<never> } {
  const [, shown = ""] = /```ts\n(.*?)```/s.exec(readFileSync(asset("docs", "events.md"), "utf8")) ?? [];
  const { outputText } = ts.transpileModule(shown, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- what readers copy is what is tested
  const make = new Function("proceeds", "sleep", `${outputText}; return { running, follow };`) as typeof documented;
  return make(proceeds, pause);
}

describe("the client that the documentation shows", () => {
  let service: Running;
  beforeEach(async () => {
    service = await runWithFacts();
    await withAgent(service);
    await withAgent(service, { id: "a-2" });
  });
  afterEach(() => service.stop());

  it("stops the call that is revoked, asks for no other, and asks for all while nobody tells it anything", async () => {
    let over = false;
    const asked: string[] = [];
    const client = documented(
      async ({ agent }, revision) => {
        asked.push(agent);
        const at_least = revision === null ? {} : { at_least: revision };
        const said = await decided(service, { agent, ...at_least }, DECIDE).catch(() => "no answer");
        return said === "allow permitted";
      },
      async () => {
        if (over) throw new Error("over");
        await sleep(5);
      },
    );
    const call = (agent: string): Call => ({ agent, purpose: "testing", task: null, abort: new AbortController() });
    const [one, two] = [call("a-1"), call("a-2")];
    client.running.set("one", one).set("two", two);
    const following = client.follow(service.url, () => DECIDE).catch((cause: unknown) => cause);
    while (!asked.includes("a-2")) await sleep(5);
    asked.length = 0;
    await ask(service, "POST", "/revocations", { body: { scope: { agent: "a-1" }, reason: "x" } });
    while (!one.abort.signal.aborted) await sleep(5);
    expect(two.abort.signal.aborted).to.be.false;
    expect(asked).not.to.include("a-2");
    await service.stopKeeping();
    // Nothing is answered, so that nothing proceeds.
    while (!two.abort.signal.aborted) await sleep(5);
    over = true;
    expect(((await following) as Error).message).to.equal("over");
  });
});
