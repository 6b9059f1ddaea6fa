import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { ConsoleBrowser } from "./browser.js";

/** Elements that a page may have, however large what it shows is: the largest usual page has a quarter of them. */
const ELEMENTS_MAX = 8000;
/** UTF-16 units that one text may have on a page. */
const TEXT_MAX = 300;
const ID_LENGTH = 200;

describe("what is very large, in a browser", function () {
  this.timeout(300_000);
  let browser: ConsoleBrowser;
  before(async function () {
    browser = await ConsoleBrowser.open(this, { service: { limits: { body_bytes_max: 1024 * 1024 } } });
  });
  after(async () => {
    await (browser as ConsoleBrowser | undefined)?.close();
  });

  it("shows the largest task that the service takes, its record clipped by lines, and goes on answering", async () => {
    const { desk } = browser.desk;
    const expires = new Date(desk.clock.wall() + 86_400_000).toISOString();
    const issue = async (count: number): Promise<string> => {
      const customer = Array.from({ length: count }, (_, i) => `${i}-`.padEnd(ID_LENGTH, "x"));
      const task = {
        id: `LARGE-${count}`,
        agent: "support-1",
        purpose: "customer_support",
        subjects: { customer },
        attributes: {},
        expires,
      };
      return (await desk.ask("POST", "/tasks", task)).outcome;
    };
    let count = 1 << 14;
    while ((await issue(count)) !== "201") count >>= 1;
    expect(count, "ids that the service takes").to.be.above(50);
    const asked = { agent: "support-1", purpose: "customer_support", task: `LARGE-${count}`, verb: "read" };
    const resource = { type: "invoice", id: "I-1", attributes: { customer: "0-".padEnd(ID_LENGTH, "x") } };
    const { body } = await desk.ask("POST", "/decide", { ...asked, resource });
    const times: object[] = [];
    for (const path of [`/records/${(body as unknown as Answer).decision_id}`, `/tasks/LARGE-${count}`, "/tasks"]) {
      const asked = performance.now();
      const { page, errors } = await browser.goTo(path);
      await page.waitForSelector("main h1");
      const opened = performance.now();
      for (const summary of await page.locator("summary").all()) await summary.click();
      expect(await page.locator("*").count(), path).to.be.below(ELEMENTS_MAX);
      const longest = await page.evaluate<number>(
        "Math.max(...[...document.querySelectorAll('bdi')].map((one) => one.textContent.length))",
      );
      expect(longest, `longest text of ${path}`).to.be.below(TEXT_MAX);
      const pressed = performance.now();
      await page.keyboard.press("?");
      await page.waitForSelector("dialog[open]");
      times.push({ path: path.slice(0, 20), opened_ms: Math.round(opened - asked), answers_ms: Math.round(performance.now() - pressed) });
      expect(errors).to.deep.equal([]);
      await page.close();
    }
    if (process.env["REMIT_FIGURES"] !== undefined) console.table(times);
  });
});
