import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import type { AdminRecord, RecordPage, StagedBundle } from "../../src/contract/index.js";
import { bundleOf } from "../replay/desk.js";
import { Helpdesk, STRICTER } from "./helpdesk.js";

const PATIENCE = { timeout: 60_000 };

describe("a candidate on the policy's page, in a browser", function () {
  this.timeout(300_000);
  let helpdesk: Helpdesk;
  let page: Page;
  let errors: string[];
  before(async function () {
    helpdesk = await Helpdesk.open(this);
  });
  after(async () => {
    await (helpdesk as Helpdesk | undefined)?.browser.close();
  });
  beforeEach(async () => {
    ({ page, errors } = await helpdesk.browser.goTo("/policy"));
    await page.waitForSelector(".card");
  });
  afterEach(async () => {
    await page.close();
  });

  const choose = async (sequence: number, reason: string): Promise<void> => {
    await page.setInputFiles("input[type=file]", await helpdesk.candidate(STRICTER, sequence));
    await page.fill("form.filter input:not([type])", reason);
  };
  const ack = async (text: string): Promise<void> => {
    await page.locator(".ack", { hasText: text }).waitFor(PATIENCE);
  };
  const staged = async (): Promise<StagedBundle | null> => {
    const { desk } = helpdesk.browser.desk;
    const { body } = await desk.ask("GET", "/bundles", undefined, { token: desk.token("remit:publish") });
    return body["staged"] as StagedBundle | null;
  };
  const actions = async (key: string): Promise<AdminRecord["detail"][]> => {
    const { body } = await helpdesk.browser.desk.desk.ask("GET", `/decisions?kind=admin&key=${key}`);
    return (body as unknown as RecordPage).items.map(({ record }) => (record as AdminRecord).detail);
  };

  it("is asked about each decision in shadow, and the page counts what would differ, while nothing does", async () => {
    await choose(2, "accounts are private");
    await page.click("button[value=stage]");
    await ack("It decides nothing");
    for (let i = 0; i < 5; i++) expect((await helpdesk.decide()).decision).to.equal("allow");
    const row = page.locator(".staged tbody tr");
    await row.filter({ hasText: "5" }).waitFor(PATIENCE);
    expect(await row.count()).to.equal(1);
    expect(await row.innerText()).to.match(/allowed\s+.*denied\s+helpdesk-3/s);
    expect(await staged()).to.deep.include({ share: 0, compared: 5, flips: 5, errors: 0 });
    expect(await page.innerText(".staged .figures")).to.match(/5\s+compared\s+5\s+would differ/);
    await row.focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction("location.pathname === '/records'");
    await page.waitForSelector("tbody tr[data-row]");
    expect(await page.locator("tbody tr[data-row]").count(), "records where to look").to.equal(5);
    expect(errors).to.deep.equal([]);
  });

  it("is named on the live stream, with what it has come to", async () => {
    await page.goto(`${helpdesk.browser.desk.running.url}/live`);
    const chip = page.locator("a.chip[href='/policy']");
    await chip.waitFor(PATIENCE);
    expect(await chip.innerText()).to.contain("in shadow: 5 of 5 decisions differ");
  });

  it("ends with a reason, after which nobody asks it", async () => {
    await page.click(".staged button:has-text('End the shadow')");
    await page.fill("dialog input", "denies what the helpdesk needs");
    await page.keyboard.press("Enter");
    await ack("is no longer asked");
    await page.waitForSelector(".staged", { state: "detached" });
    expect(await staged()).to.equal(null);
    expect(await actions("drop_stage")).to.have.nested.property("[0].reason", "denies what the helpdesk needs");
    await page.locator(".rows", { hasText: "5 of 5 decisions differed" }).waitFor(PATIENCE);
  });

  it("has a history of all that became of bundles and was done with them, by one question", async () => {
    const { page: again, requests } = await helpdesk.browser.goTo("/policy");
    await again.locator("tbody tr[data-row]", { hasText: "stage dropped" }).waitFor(PATIENCE);
    const history = (await again.locator("table.tight tbody tr[data-row] td:nth-child(2)").allInnerTexts()).map(
      (one) => one.split(" by ")[0],
    );
    expect(history).to.include.members(["activated", "staged", "stage ended", "stage dropped"]);
    const questions = new Set(requests.filter((one) => one.includes("/decisions")));
    expect([...questions]).to.deep.equal(["GET /api/service/decisions?about=policy&limit=40"]);
    await again.close();
  });

  it("says on record that nobody had seen its impact, if it is rolled out so; it decides before the page says it does", async () => {
    await choose(3, "we need it now");
    expect(await page.innerText(".seen")).to.contain("Nobody has seen here what it would change");
    await page.click("button[value=publish]");
    await ack("sequence 3, decides");
    expect((await helpdesk.decide()).decision).to.equal("deny");
    expect(await actions("publish")).to.have.nested.property("[0].reason", "we need it now (impact not seen)");
  });

  it("says what was seen in shadow, if it is the very bundle that is rolled out", async () => {
    await choose(4, "after a try");
    await page.click("button[value=stage]");
    await ack("It decides nothing");
    await helpdesk.decide();
    await page.locator(".seen", { hasText: "in shadow: 0 of 1 decision differ" }).waitFor(PATIENCE);
    await page.click("button[value=publish]");
    await ack("sequence 4, decides");
    expect((await actions("publish"))[0]).to.have.property("reason", "after a try (in shadow: 0 of 1 decision differ)");
  });

  it("is refused with the service's own code, if it is none that follows", async () => {
    await choose(2, "an old one");
    for (const which of ["stage", "publish"]) {
      await page.click(`button[value=${which}]`);
      await page.locator(".failed", { hasText: "bundle_refused" }).waitFor(PATIENCE);
    }
    expect((await helpdesk.decide()).policy.sequence).to.equal(4);
  });

  describe("with a way back", () => {
    it("says that none is kept, and how one is made, and changes nothing", async () => {
      await page.keyboard.press("g");
      await page.keyboard.press("b");
      await page.locator("dialog[open]", { hasText: "No way back is kept here" }).waitFor(PATIENCE);
      expect(await page.innerText("dialog[open]")).to.contain("remit republish old.tar.gz --sequence 5");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Escape");
      await page.waitForSelector("dialog[open]", { state: "detached" });
      expect((await helpdesk.decide()).policy.sequence).to.equal(4);
    });

    it("keeps what was signed for it, tries it in shadow, and says on record what was seen when it is gone back to", async () => {
      await helpdesk.publish((await bundleOf(STRICTER, 5)).archive);
      const path = join(helpdesk.folder, "back.tar.gz");
      writeFileSync(path, await helpdesk.back(6));
      await page.setInputFiles("input[type=file]", path);
      await page.fill("form.filter input:not([type])", "in case it denies too much");
      await page.click("button[value=back]");
      await ack("is kept as the way back");
      expect((await helpdesk.decide()).decision).to.equal("deny");
      expect((await actions("keep_back"))[0]).to.have.property("reason", "in case it denies too much");
      const card = page.locator(".card", { hasText: "way back" });
      await card.filter({ hasText: "the policy of sequence 1, signed as sequence 6" }).waitFor(PATIENCE);
      await card.locator("button", { hasText: "Try in shadow" }).click();
      await ack("is asked beside the bundle that runs");
      await helpdesk.decide();
      await page.locator(".staged .figures", { hasText: /1\s*would differ/ }).waitFor(PATIENCE);
      await page.keyboard.press("g");
      await page.keyboard.press("b");
      await page.locator("dialog[open]", { hasText: "in shadow: 1 of 1 decision differ" }).waitFor(PATIENCE);
      expect(new URL(page.url()).search).to.equal("?back");
      await page.keyboard.press("Enter");
      await ack("The policy of sequence 1 decides, as sequence 6");
      expect((await helpdesk.decide()).decision).to.equal("allow");
      expect((await actions("roll_back"))[0]).to.deep.include({
        reason: "rolled back from the console (in shadow: 1 of 1 decision differ)",
      });
      const { body } = await helpdesk.browser.desk.desk.ask("GET", "/decisions?kind=admin&key=roll_back");
      expect((body as unknown as RecordPage).items[0]?.record).to.have.property("caller", "console:ada@example.com");
      await page.locator(".rows", { hasText: "rolled back by console:ada@example.com" }).waitFor(PATIENCE);
      expect(errors).to.deep.equal([]);
    });

    it("is the address of a page, refuses what has been overtaken since it was shown, and goes back to nothing then", async () => {
      await helpdesk.publish((await bundleOf(STRICTER, 7)).archive);
      await helpdesk.publish(await helpdesk.back(8), "back");
      await page.goto(`${helpdesk.browser.desk.running.url}/policy?back`);
      await page.waitForSelector("dialog[open] button[type=submit]:focus", PATIENCE);
      expect(await page.innerText("dialog[open]")).to.contain("Nobody has seen here what it would change");
      await page.route("**/api/service/bundles", (route) => route.abort());
      await helpdesk.publish((await bundleOf(STRICTER, 9)).archive);
      await page.keyboard.press("Enter");
      await page.locator("dialog .failed", { hasText: "bundle_refused" }).waitFor(PATIENCE);
      expect((await helpdesk.decide()).policy.sequence).to.equal(9);
    });
  });
});
