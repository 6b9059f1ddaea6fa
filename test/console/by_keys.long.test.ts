/** What people come to the console for, done with the keyboard alone, from a page that has just been opened; nothing is told but what stands on it. */
import { expect } from "chai";
import type { Page } from "playwright-core";
import { bundleOf } from "../replay/desk.js";
import { ConsoleBrowser, holds } from "./browser.js";
import { Helpdesk, STRICTER } from "./helpdesk.js";

const PATIENCE = { timeout: 60_000 };

interface Done {
  task: string;
  keys: number;
  texts: number;
  ms: number;
}

/** Counts keys and typed texts, and the time that a page takes for them. */
class Keys {
  keys = 0;
  texts = 0;
  readonly #begun = performance.now();

  constructor(readonly page: Page) {}

  async press(...keys: string[]): Promise<void> {
    for (const key of keys) {
      this.keys++;
      await this.page.keyboard.press(key);
    }
  }

  async type(text: string): Promise<void> {
    this.texts++;
    await this.page.keyboard.type(text);
  }

  /** Moves down until the row that has the focus says what is looked for. */
  async to(wanted: RegExp): Promise<void> {
    const at = "document.activeElement.matches('[data-row]') ? document.activeElement.innerText : ''";
    for (let i = 0; i < 30; i++) {
      await this.press("j");
      if (wanted.test((await this.page.evaluate<string>(at)).replaceAll(/\s+/g, " "))) return;
    }
    throw new Error(`no row says ${wanted.source}`);
  }

  done(task: string): Done {
    return { task, keys: this.keys, texts: this.texts, ms: Math.round(performance.now() - this.#begun) };
  }
}

const all: Done[] = [];

/** Opens a page at the console's own address, as somebody does who is called. */
async function cold(browser: ConsoleBrowser): Promise<Keys> {
  const page = await browser.context.newPage();
  await page.goto(browser.desk.running.url);
  const keys = new Keys(page);
  await page.waitForSelector(".card b + span");
  return keys;
}

async function ends(keys: Keys, task: string, most: { keys: number; texts: number }): Promise<void> {
  const done = keys.done(task);
  all.push(done);
  expect(done.keys, `keys to ${task}`).to.be.at.most(most.keys);
  expect(done.texts, `texts to ${task}`).to.be.at.most(most.texts);
  await keys.page.close();
}

describe("people's tasks, by keys alone, from a cold page", function () {
  this.timeout(300_000);
  after(function () {
    if (process.env["REMIT_FIGURES"] !== undefined) console.table(all);
  });

  describe("at a support desk", () => {
    let browser: ConsoleBrowser;
    before(async function () {
      browser = await ConsoleBrowser.open(this, { agents: 5 });
    });
    after(async () => {
      await (browser as ConsoleBrowser | undefined)?.close();
    });

    it("find who misbehaves, and cut it off", async () => {
      const { desk } = browser.desk;
      for (let i = 1; i <= 5; i++) await desk.decide(`read order/O-${i} customer-${i}`, i);
      for (let i = 0; i < 12; i++) await desk.decide(`delete customer/customer-${i}`, 4);
      const keys = await cold(browser);
      await keys.page.locator("section tbody [data-row]", { hasText: "support-4" }).first().waitFor(PATIENCE);
      await keys.to(/support-4/);
      await keys.press("r");
      await keys.page.waitForSelector("dialog[open]");
      expect(await keys.page.innerText("dialog[open]")).to.contain("support-4");
      await keys.press("Enter");
      await keys.page.waitForSelector(".ack p", PATIENCE);
      expect((await desk.decide("read order/O-4 customer-4", 4)).reasons.map(({ code }) => code)).to.include("agent_revoked");
      expect((await desk.decide("read order/O-5 customer-5", 5)).decision).to.equal("allow");
      await ends(keys, "find who misbehaves, and cut it off", { keys: 6, texts: 0 });
    });

    it("say what a finding was, by its price", async () => {
      const { desk } = browser.desk;
      await desk.decide("read order/O-77 customer-9", 3);
      const keys = await cold(browser);
      await keys.press("g", "f");
      await keys.page.locator("[data-row]", { hasText: "support-3" }).first().waitFor(PATIENCE);
      await keys.to(/support-3/);
      await keys.press("Enter");
      await keys.page.waitForSelector(".verdict li:has-text('suspends support-3 at once')", PATIENCE);
      await keys.press("m");
      await keys.page.waitForSelector(".verdict input:focus", PATIENCE);
      await keys.type("not its customer");
      expect((await desk.decide("read order/O-3 customer-3", 3)).decision).to.equal("allow");
      await keys.press("Enter");
      await keys.page.locator(".ack", { hasText: "The finding is misuse, its agent suspended" }).waitFor(PATIENCE);
      expect((await desk.decide("read order/O-3 customer-3", 3)).reasons.map(({ code }) => code)).to.include("agent_suspended");
      expect((await desk.decide("read order/O-5 customer-5", 5)).decision).to.equal("allow");
      await ends(keys, "say what a finding was", { keys: 7, texts: 1 });
    });

    it("approve the right one of two actions that look alike", async () => {
      const { desk } = browser.desk;
      const wrong = await desk.decide("read invoice/I-1071 customer-9", 1);
      const right = await desk.decide("read invoice/I-107l customer-9", 1);
      expect([wrong.wait?.for, right.wait?.for]).to.deep.equal(["approval", "approval"]);
      const keys = await cold(browser);
      await keys.press("g", "w");
      await keys.page.locator(".waiting > li").nth(1).waitFor(PATIENCE);
      await keys.to(/read invoice I-107l/);
      // Nothing is approved within a moment of its being shown.
      await holds(keys.page, "!document.activeElement.querySelector('button[type=submit]').disabled");
      await keys.press("a");
      await keys.page.waitForSelector(".waiting input:focus", PATIENCE);
      await keys.type("ticket 12");
      await keys.press("Enter");
      await keys.page.waitForSelector(".ack p", PATIENCE);
      expect((await desk.decide("read invoice/I-107l customer-9", 1)).proceed).to.equal(true);
      expect((await desk.decide("read invoice/I-1071 customer-9", 1)).proceed).to.equal(false);
      await ends(keys, "approve the right one of two that look alike", { keys: 7, texts: 1 });
    });

    it("find why an action was refused, and what would have let it pass", async () => {
      const { desk } = browser.desk;
      for (let i = 0; i < 40; i++) await desk.decide(`read order/O-${i} customer-${(i % 3) + 1}`, (i % 3) + 1);
      const refused = await desk.decide("update customer/customer-2", 2);
      expect(refused.decision).to.equal("deny");
      for (let i = 0; i < 40; i++) await desk.decide(`read order/O-${i} customer-${(i % 3) + 1}`, (i % 3) + 1);
      const keys = await cold(browser);
      await keys.press("g", "r", "/");
      await keys.page.waitForSelector("form.filter input:focus", PATIENCE);
      await keys.type("support-2");
      await keys.press("Enter");
      await holds(keys.page, "location.search.includes('support-2') && document.querySelector('[data-row]') !== null");
      await keys.to(/denied.*update customer/);
      await keys.press("Enter");
      await keys.page.waitForSelector(".ways, .empty", PATIENCE);
      expect(new URL(keys.page.url()).pathname).to.equal(`/records/${refused.decision_id}`);
      expect(await keys.page.innerText(".reasons")).to.contain(refused.reasons[0]?.code ?? "?");
      expect(await keys.page.innerText(".ways, .empty")).to.match(/\S/);
      await ends(keys, "find why it was refused, and what would have let it pass", { keys: 30, texts: 1 });
    });
  });

  describe("at a helpdesk whose bundle broke something", () => {
    let helpdesk: Helpdesk;
    before(async function () {
      helpdesk = await Helpdesk.open(this);
      await helpdesk.publish((await bundleOf(STRICTER, 2)).archive);
      await helpdesk.publish(await helpdesk.back(3), "back");
    });
    after(async () => {
      await (helpdesk as Helpdesk | undefined)?.browser.close();
    });

    it("roll the policy back to the way back that was published with it", async () => {
      expect((await helpdesk.decide()).decision).to.equal("deny");
      const keys = await cold(helpdesk.browser);
      await keys.press("g", "b");
      await keys.page.waitForSelector("dialog[open] button[type=submit]:focus", PATIENCE);
      await keys.press("Enter");
      await keys.page.locator(".ack", { hasText: "decides, as sequence 3" }).waitFor(PATIENCE);
      expect((await helpdesk.decide()).decision).to.equal("allow");
      await ends(keys, "roll the policy back", { keys: 3, texts: 0 });
    });

    it("roll the policy back to a bundle that was signed again only now", async () => {
      await helpdesk.publish((await bundleOf(STRICTER, 4)).archive);
      expect((await helpdesk.decide()).decision).to.equal("deny");
      const again = await helpdesk.candidate({}, 5);
      const keys = await cold(helpdesk.browser);
      const choosing = keys.page.waitForEvent("filechooser", PATIENCE);
      await keys.press("g", "p", "/");
      await keys.page.waitForSelector("input[type=file]:focus", PATIENCE);
      await keys.press("Space");
      await (await choosing).setFiles(again);
      keys.texts++;
      await keys.press("Tab");
      await keys.type("refunds broke");
      await keys.press("Tab", "Tab", "Enter");
      await keys.page.locator(".ack", { hasText: "sequence 5, decides" }).waitFor(PATIENCE);
      expect((await helpdesk.decide()).decision).to.equal("allow");
      await ends(keys, "roll back to one signed now", { keys: 9, texts: 2 });
    });
  });
});
