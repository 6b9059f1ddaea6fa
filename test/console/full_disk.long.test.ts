import { join } from "node:path";
import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";
import { SmallDisk } from "../service/small_disk.js";
import { skip } from "../skip.js";
import { ConsoleBrowser } from "./browser.js";

const PATIENCE = { timeout: 60_000 };

describe("stopping everything from the page, while a disk is full", function () {
  this.timeout(300_000);
  let browser: ConsoleBrowser;
  let disk: SmallDisk | null;
  afterEach(async () => {
    disk?.unmount();
    await (browser as ConsoleBrowser | undefined)?.close();
  });

  /** Returns why the service denies an action, or the problem there is instead of an answer. */
  async function denied(): Promise<string> {
    const { desk } = browser.desk;
    const { outcome, body } = await desk.ask("POST", "/decide", desk.action("read order/O-1 customer-1"));
    if (outcome !== "200") return outcome;
    const { decision, reasons } = body as unknown as Answer;
    return decision === "deny" ? reasons.map(({ code }) => code).join() : decision;
  }

  for (const [at, meanwhile] of [
    ["store", "everything_revoked"],
    ["log", "503 log_unavailable"],
  ] as const)
    it(`holds, by a key, a word and Enter, and is said not to be durable yet: the disk of the ${at}`, async function () {
      disk = null;
      browser = await ConsoleBrowser.open(this, {
        prepare: (folder) => {
          disk = SmallDisk.at(join(folder, at));
        },
      });
      const small = disk as SmallDisk | null;
      if (small === null) return skip(this, "no tmpfs can be mounted");
      expect(await denied()).to.equal("allow");
      const { page } = await browser.goTo("/");
      await page.waitForSelector(".card b + span");
      // What little room a failed write gives back is taken too.
      for (let i = 0; i < 8; i++) {
        small.fill();
        await denied();
      }
      await page.keyboard.press("!");
      await page.waitForSelector("dialog[open] input:focus");
      await page.keyboard.type("stop");
      await page.keyboard.press("Enter");
      await page.locator(".ack p").waitFor(PATIENCE);
      expect(await page.innerText(".ack"))
        .to.match(/Everything is revoked: in force \d+ ms after your key/)
        .and.contain("not durable yet");
      expect(await denied()).to.equal(meanwhile);
      small.free();
      while ((await denied()) !== "everything_revoked") await new Promise((resolve) => setTimeout(resolve, 50));
      await page.close();
    });
});
