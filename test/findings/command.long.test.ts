import { expect } from "chai";
import { parse } from "yaml";
import type { ShownFinding } from "../../src/contract/index.js";
import { linesOf } from "../../src/cli/findings/finding_lines.js";
import { terminal } from "../../src/cli/ui.js";
import { remit, remitTelling, type Ran } from "../cli/remit.js";
import { ALL, Desk, REVIEWER } from "./desk.js";

describe("remit findings", function () {
  let desk: Desk;
  let id: string;
  const asked = (args: string[]): string[] => ["findings", ...args, "--url", desk.service.url, "--token", desk.token(ALL, REVIEWER)];
  const run = (...args: string[]): Promise<Ran> => remit(...asked(args));
  before(async () => {
    desk = await Desk.open({}, undefined, 5);
    for (let i = 0; i < 20; i++) id = (await desk.decide(`read invoice/I-${i} customer-9`)).finding ?? "";
  });
  after(() => desk.close());

  it("lists what is open, as a table or as JSON", async () => {
    const { exit, out } = await run("list", "--state", "open");
    expect(exit).to.equal("ok");
    const [head, line] = out
      .trimEnd()
      .split("\n")
      .map((text) => text.split(/ {2,}/));
    expect(head).to.deep.equal(["finding", "state", "severity", "agent", "about", "actions", "risk", "last seen"]);
    expect(line?.slice(0, 6)).to.deep.equal([id, "open", "high", "support-1", "unrelated_financials", "20"]);
    const { items } = JSON.parse((await run("list", "--agent", "support-1", "--since", "3650d", "--json")).out) as {
      items: { id: string }[];
    };
    expect(items.map((item) => item.id)).to.deep.equal([id]);
    expect(await run("list", "--agent", "nobody")).to.deep.include({ exit: "ok", out: "", err: "there are none\n" });
  });

  it("shows one as a story: what began it, what was left out, the latest, and what waits", async () => {
    const { exit, out } = await run("show", id);
    expect(exit).to.equal("ok");
    expect(out)
      .to.match(/about +unrelated_financials/)
      .and.match(/actions +20: +20 flag/)
      .and.match(/tasks +T-1/);
    expect(out.match(/●/g)).to.have.lengthOf(16);
    expect(out).to.include("┊ 4 more");
    const steps = out.split("\n").filter((line) => line.includes("●"));
    expect(steps[0]).to.match(/● 09:00:01\.000 {2}flag {2}read invoice I-0 +T-1 +unrelated_financials +held$/);
    expect(steps.at(-1)).to.include("read invoice I-19");
    const shown = JSON.parse((await run("show", id, "--json")).out) as ShownFinding;
    expect(shown.timeline).to.have.lengthOf(16);
  });

  it("follows what is opened and changes", async () => {
    const said = { out: "", err: "" };
    const has = async (event: string): Promise<void> => {
      while (!said.out.includes(event)) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const following = remitTelling(said, ...asked(["follow", "--limit", "2", "--json"]));
    await has('"ready"');
    const { finding = "" } = await desk.decide("read order/O-9 customer-9", 2);
    await has('"opened"');
    await run("review", finding, "--reason", "mine");
    const { exit, out } = await following;
    expect(exit).to.equal("ok");
    const told = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; change?: string; finding?: { id: string } });
    expect(told.map(({ event, change, finding: of }) => [event, change, of?.id])).to.deep.equal([
      ["ready", undefined, undefined],
      ["finding", "opened", finding],
      ["finding", "changed", finding],
    ]);
  });

  it("approves the one action that is named", async () => {
    const unnamed = await run("approve", id, "--reason", "old invoice");
    expect(unnamed).to.deep.include({ exit: "usage", out: "" });
    expect(unnamed.err).to.include("--decision");
    const held = await desk.decide("read invoice/I-700 customer-9", 3);
    expect((await run("waiting")).out).to.match(new RegExp(`${held.decision_id} +read invoice I-700 `));
    const { exit, out } = await run("approve", held.finding ?? "", "--decision", held.decision_id, "--reason", "old invoice", "--json");
    expect(exit).to.equal("ok");
    expect(JSON.parse(out)).to.deep.include({ ok: true, id: `approval-${held.decision_id}`, uses: 1 });
    expect((await desk.decide("read invoice/I-700 customer-9", 3)).proceed).to.equal(true);
  });

  it("closes one as expected, and says what that lets be done", async () => {
    const held = await desk.decide("read invoice/I-800 customer-9", 4);
    const { exit, err } = await run("expected", held.finding ?? "", "--seen", "1", "--reason", "year-end audit");
    expect(exit).to.equal("ok");
    expect(err)
      .to.match(/expected/)
      .and.include(`grant approval-${held.decision_id} lets an action that waited be done once`);
    expect(err).to.include("1 action is usual from now on");
    expect((await desk.decide("read invoice/I-800 customer-9", 4)).proceed).to.equal(true);
  });

  it("proposes what the policy lacks on stdout, and nothing else there", async () => {
    const { finding = "" } = await desk.decide("read ticket/TCK-99 customer-9", 5);
    const { exit, out } = await run("gap", finding, "--reason", "they hand tickets over");
    expect(exit).to.equal("ok");
    const { customer_support } = parse(out) as Record<string, { allow: object[] }>;
    expect(customer_support?.allow).to.have.lengthOf(1);
    expect(customer_support?.allow[0]).to.have.property("read", "ticket");
    expect((await run("show", finding)).out)
      .to.include("they hand tickets over")
      .and.include("read: ticket");
  });

  it("closes one as misuse: the agent is suspended", async () => {
    const { exit, err } = await run("misuse", id, "--reason", "prompt injection");
    expect(exit).to.equal("ok");
    expect(err).to.include("agent support-1 is suspended");
    const { out } = await run("show", id);
    expect(out)
      .to.match(/◆ .*agent_suspended/)
      .and.match(/◆ .*finding_misuse/)
      .and.include("prompt injection");
  });

  const refused: [what: string, args: () => string[], exit: string, said: RegExp][] = [
    ["an id that is none", () => ["show", "F-1"], "missing", /finding_not_found/],
    ["a verdict on what changed since", () => ["review", id, "--reason", "r", "--revision", "0"], "conflict", /revision_stale/],
    ["a verdict on what is closed", () => ["expected", id, "--seen", "1", "--reason", "r"], "conflict", /finding_state/],
    ["a verdict without a reason", () => ["misuse", id], "usage", /--reason/],
    ["a place that is none", () => ["follow", "--after", "7"], "usage", /4711-58/],
    ["a state that is none", () => ["list", "--state", "closed"], "usage", /Allowed choices/],
    ["an approval of what doesn't wait", () => ["approve", id, "--reason", "r", "--decision", "x"], "conflict", /approval_none/],
  ];
  for (const [what, args, exit, said] of refused) {
    it(`refuses ${what}`, async () => {
      const ran = await run(...args());
      expect(ran.exit).to.equal(exit);
      expect(ran.err).to.match(said);
    });
  }

  it("says how each is used, with examples", async () => {
    for (const verb of ["list", "show", "review", "reopen", "expected", "misuse", "gap", "approve", "follow"]) {
      const { exit, out } = await run(verb, "--help");
      expect(exit).to.equal("ok");
      expect(out).to.include("Examples:").and.include(`$ remit findings ${verb}`);
    }
  });

  it("lets no text of an agent's move the cursor or paint the screen", async () => {
    const shown = JSON.parse((await run("show", id, "--json")).out) as ShownFinding;
    const evil = JSON.parse(JSON.stringify(shown).replaceAll("unrelated_financials", "\\u001b[2J\\nred\\u202e")) as ShownFinding;
    const stream = { isTTY: false, write: () => true };
    for (const line of linesOf(terminal(stream, stream, {}), evil)) expect(line).to.not.match(/[\p{Cc}\u202e]/u);
  });
});
