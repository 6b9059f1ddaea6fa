import { expect } from "chai";
import type { Locator, Page } from "playwright-core";
import { ConsoleBrowser, holds } from "./browser.js";

const PATIENCE = { timeout: 60_000 };
/** Milliseconds after which a key is pressed again. */
const AGAIN_MS = 5000;
const ACTIONS = 700;
/** More than a list's first page has. */
const AGENTS = 60;
const FIRST = 50;
/** Rows that a window of this height may draw, with those beyond its edges. */
const DRAWN_MAX = 60;
/** Elements that a page may have while a long list of it is scrolled. */
const ELEMENTS_MAX = 500;

describe("long lists, in a browser", function () {
  this.timeout(300_000);
  let browser: ConsoleBrowser;
  before(async function () {
    browser = await ConsoleBrowser.open(this, { agents: AGENTS });
    const { desk } = browser.desk;
    for (let done = 0; done < ACTIONS; done += 100) {
      const actions = Array.from({ length: 100 }, (_, i) => desk.action(`read order/O-${done + i} customer-1`));
      const { outcome } = await desk.ask("POST", "/decide/batch", { actions });
      if (outcome !== "200") throw new Error(outcome);
    }
  });
  for (const [path, kind, last] of [
    ["/agents", "agents", "support-9"],
    ["/tasks", "tasks", "T-9"],
  ] as const)
    it(`have every one, of which each page comes when a key asks for it: ${path}`, async () => {
      const { page, errors, requests } = await browser.goTo(path);
      await page.locator("p.note", { hasText: `${FIRST} ${kind} so far` }).waitFor(PATIENCE);
      const pages = (): number => requests.filter((one) => one.includes(`/api/service${path}?`) && one.includes("cursor=")).length;
      expect(pages()).to.equal(0);
      const focused = "document.activeElement.dataset.href ?? ''";
      for (let at = ""; !at.endsWith(`/${last}`); at = await page.evaluate<string>(focused)) {
        await page.keyboard.press("j");
        if (at !== "" && at === (await page.evaluate<string>(focused)))
          await holds(page, "document.querySelector('[data-older]') === null");
      }
      expect(pages()).to.equal(1);
      expect(await drawn(page)).to.be.below(DRAWN_MAX);
      expect(errors).to.deep.equal([]);
      await page.close();
    });

  it("show what has changed on any page that was read", async () => {
    const { page } = await whole("/agents");
    const { desk } = browser.desk;
    const { outcome } = await desk.ask("PATCH", "/agents/support-9", { status: "suspended", reason: "tried" });
    expect(outcome).to.equal("200");
    await goesTo(page, "End", page.locator("main [data-row]", { hasText: "support-9" }).locator(".state", { hasText: "suspended" }));
    expect(await page.locator("[data-older]").count(), "pages that were read are").to.equal(0);
    await page.close();
  });

  after(async () => {
    await (browser as ConsoleBrowser | undefined)?.close();
  });

  const drawn = (page: Page): Promise<number> => page.locator("main [data-row]").count();
  /** Presses a key until a row is drawn: a browser that is slow loses one now and then. */
  async function goesTo(page: Page, key: "Home" | "End", row: Locator): Promise<void> {
    do await page.keyboard.press(key);
    while (
      !(await row.waitFor({ timeout: AGAIN_MS }).then(
        () => true,
        () => false,
      ))
    );
  }
  /** Opens a list and reads all of it. */
  async function whole(path: string): Promise<{ page: Page; errors: string[] }> {
    const { page, errors } = await browser.goTo(path);
    await page.waitForSelector("main [data-row]", PATIENCE);
    for (let before = ""; ;) {
      const more = page.locator("[data-older]");
      if ((await more.count()) === 0) return { page, errors };
      const said = (await more.locator("xpath=..").innerText()).trim();
      if (said !== before) await more.click();
      before = said;
      await holds(page, `document.querySelector("[data-older]")?.parentElement.innerText.trim() !== ${JSON.stringify(said)}`);
    }
  }

  for (const [path, first, last] of [
    ["/records", `O-${ACTIONS - 1}`, "O-0"],
    ["/tasks/T-1", "O-0", `O-${ACTIONS - 1}`],
  ] as const) {
    it(`draw what is near the window, from the first to the last: ${path}`, async () => {
      const { page, errors } = await whole(path);
      expect(await drawn(page)).to.be.below(DRAWN_MAX);
      await page.evaluate("window.scrollTo(0, 0)");
      await page.locator("main [data-row]", { hasText: first }).first().waitFor(PATIENCE);
      await goesTo(page, "End", page.locator("main [data-row]", { hasText: last }).last());
      await holds(page, `document.querySelectorAll("main [data-row]").length < ${DRAWN_MAX}`);
      let most = 0;
      for (let y = 0; y < ACTIONS * 30; y += 700) {
        await page.evaluate(`window.scrollTo(0, ${y})`);
        most = Math.max(most, await page.evaluate<number>("document.querySelectorAll('*').length"));
      }
      expect(most, "elements while it is scrolled").to.be.at.most(ELEMENTS_MAX);
      expect(errors).to.deep.equal([]);
      await page.close();
    });

    it(`keep the row that has the focus, wherever the window is, and lead on from it by keys: ${path}`, async () => {
      const { page } = await whole(path);
      const focused = "document.activeElement.matches('[data-row]') ? document.activeElement.innerText : null";
      const seen = new Set<string>();
      for (let i = 0; i < 150; i++) {
        await page.keyboard.press("j");
        seen.add(String(await page.evaluate<string | null>(focused)));
      }
      expect(seen.has("null")).to.equal(false);
      expect(seen.size).to.equal(150);
      const row = await page.evaluate<string>(focused);
      await page.evaluate("window.scrollTo(0, 0)");
      await holds(page, `document.querySelectorAll("main .gap").length >= 2`);
      expect(await page.evaluate<string>(focused)).to.equal(row);
      await page.close();
    });

    it(`are printed whole, in light colours, without what only a screen needs: ${path}`, async () => {
      const { page } = await whole(path);
      await page.evaluate("document.documentElement.dataset.theme = 'dark'");
      await page.emulateMedia({ media: "print" });
      await holds(page, `document.querySelectorAll("main [data-row]").length === ${ACTIONS}`);
      expect(await page.locator("header.bar").isVisible()).to.equal(false);
      expect(await page.evaluate<string>("getComputedStyle(document.documentElement).colorScheme")).to.equal("light");
      expect((await page.pdf({ format: "A4" })).subarray(0, 5).toString()).to.equal("%PDF-");
      await page.emulateMedia({ media: "screen" });
      await holds(page, `document.querySelectorAll("main [data-row]").length < ${DRAWN_MAX}`);
      await page.close();
    });
  }

  it("have every finding, of which each page comes when it is asked for", async () => {
    const { desk } = browser.desk;
    for (let i = 1; i <= AGENTS; i++) await desk.decide("read invoice/I-1071 customer-999", i);
    const { page } = await whole("/findings");
    const { body } = await desk.ask("GET", "/findings?limit=1000");
    const items = body["items"] as { id: string }[];
    expect(items.length).to.be.above(FIRST);
    expect(await page.getAttribute("main table", "aria-rowcount")).to.equal(String(items.length));
    for (const [key, { id }] of [
      ["Home", items[0] ?? { id: "?" }],
      ["End", items.at(-1) ?? { id: "?" }],
    ] as const) {
      await goesTo(page, key, page.locator(`[data-row][data-href$="${id}"]`));
    }
    await page.close();
  });
});
