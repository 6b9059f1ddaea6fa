/**
 * Takes the pictures of the console in `docs/console`: `node dist/scripts/console_pictures.js`. With `--review <folder>` it takes every screen
 * instead, wide and narrow, light and dark, filled and empty, to be looked at after a change of its style. Needs Chromium.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import type { Page } from "playwright-core";
import type { Answer } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import { ConsoleBrowser, holds } from "../test/console/browser.js";
import { Helpdesk, STRICTER } from "../test/console/helpdesk.js";
import type { Changes } from "../test/build/support.js";
import { bundleOf } from "../test/replay/desk.js";

const { review, only } = new Command("node dist/scripts/console_pictures.js")
  .description("Takes the pictures of the console in docs/console.")
  .option("--review <folder>", "take every screen for a review instead: wide and narrow, light and dark, filled and empty")
  .option("--only <names>", "screens to take, separated by commas", (names) => names.split(","))
  .parse()
  .opts<{ review?: string; only?: string[] }>();

const WIDE = review === undefined ? { width: 1280, height: 860 } : { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };
const SUPPORT_AGENTS = 6;
const SETTLED_MS = 700;
const PATIENCE = { timeout: 120_000 };

/** A screen, and what is done and waited for before its picture is taken. */
interface Shot {
  name: string;
  path: string;
  /** Element that is there once the screen is. @default its heading */
  ready?: string;
  prepare?: (page: Page) => Promise<unknown>;
}

const folder = review ?? asset("docs", "console");
mkdirSync(folder, { recursive: true });

async function take(browser: ConsoleBrowser, shots: readonly Shot[]): Promise<void> {
  for (const { name, path, ready = "main h1", prepare } of shots) {
    if (only !== undefined && !only.includes(name)) continue;
    const { page, errors } = await browser.watched();
    await page.setViewportSize(WIDE);
    // A desk has a time of its own.
    await page.clock.install({ time: browser.desk.desk.clock.wall() });
    await page.goto(`${browser.desk.running.url}${path}`);
    await page.waitForSelector(ready);
    await prepare?.(page);
    await holds(page, "document.querySelector('.loading') === null");
    await page.waitForTimeout(SETTLED_MS);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    }
    if (review !== undefined) {
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize(NARROW);
      await page.screenshot({ path: join(folder, `${name}-narrow.png`) });
    }
    console.log(`${name}${errors.length === 0 ? "" : `: ${errors.join("; ")}`}`);
    await page.close();
  }
}

/** Asks for what support agents ask for on a day on which one of them goes astray. */
async function work(browser: ConsoleBrowser): Promise<{ asked: Answer; erred: Answer }> {
  const { desk } = browser.desk;
  const usual = async (round: number): Promise<void> => {
    const agent = (round % SUPPORT_AGENTS) + 1;
    const own = `customer-${agent}`;
    const acts = [
      `read ticket/TCK-${agent} ${own}`,
      `read customer/${own}`,
      `read order/O-${2040 + (round % 23)} ${own}`,
      `read invoice/I-${1070 + (round % 11)} ${own}`,
      `search order`,
      `read payment/P-${310 + (round % 7)} ${own}`,
      `read order/O-${2010 + (round % 9)} ${own}`,
    ];
    await desk.decide(acts[round % acts.length] ?? "search order", agent);
  };
  for (let round = 0; round < 150; round++) {
    await usual(round);
    // The desk's half hour, in which most minutes are calm.
    desk.clock.wall_ms += 9000 + (round % 5) * 900;
  }
  await desk.decide("update customer/customer-2", 2);
  for (let i = 0; i < 14; i++) {
    await desk.decide(`delete customer/customer-${i + 1}`, 4);
    desk.clock.wall_ms += 2100;
  }
  await desk.decide("read order/O-2077 customer-9", 5);
  for (let round = 150; round < 190; round++) await usual(round);
  const erred = await desk.decide("read invoice/I-1077 customer-9", 3);
  const asked = await desk.decide("read invoice/I-1042 customer-9", 1);
  for (let round = 190; round < 200; round++) await usual(round);
  return { asked, erred };
}

const support = await ConsoleBrowser.open(null, { agents: SUPPORT_AGENTS });
try {
  if (review !== undefined) {
    await take(
      support,
      ["", "live", "waiting", "findings", "tasks", "records", "policy", "health"].map((screen) => ({
        name: `${screen === "" ? "now" : screen}-empty`,
        path: `/${screen}`,
      })),
    );
    await take(support, [
      { name: "found-none", path: "/records?agent=nobody&decision=deny" },
      { name: "missing", path: "/agents/nobody" },
    ]);
  }
  const { asked, erred } = await work(support);
  const { desk } = support.desk;
  await desk.ask("POST", "/agents/support-5/narrowing", { reason: "reads for another customer's ticket" });
  const live: Shot = {
    name: "live",
    path: "/live",
    prepare: async (page) => {
      await page.waitForSelector(".figures");
      for (let i = 0; i < 60; i++) {
        const agent = (i % SUPPORT_AGENTS) + 1;
        await desk.decide(
          i % 17 === 16 ? `delete customer/customer-${agent}` : `read order/O-${2040 + i} customer-${i % 11 === 10 ? 9 : agent}`,
          agent,
        );
        await page.waitForTimeout(i % 5 === 0 ? 250 : 60);
      }
      await page.waitForSelector("[data-row]");
    },
  };
  const shots: Shot[] = [
    { name: "now", path: "/", ready: ".rows" },
    { name: "waiting", path: "/waiting", ready: ".waiting" },
    { name: "findings", path: "/findings", ready: "[data-row]" },
    { name: "finding", path: `/findings/${erred.finding ?? ""}`, ready: ".timeline" },
    { name: "agents", path: "/agents", ready: "[data-row]" },
    { name: "agent", path: "/agents/support-3", ready: ".portrait" },
    { name: "tasks", path: "/tasks", ready: "[data-row]" },
    { name: "task", path: "/tasks/T-4", ready: ".timeline" },
    { name: "records", path: "/records", ready: "[data-row]" },
    { name: "decision", path: `/records/${asked.decision_id}`, ready: ".ways" },
    { name: "health", path: "/health" },
    live,
  ];
  const documented = ["now", "waiting", "finding", "agent", "task", "records", "decision", "health", "live"];
  await take(
    support,
    shots.filter(({ name }) => review !== undefined || documented.includes(name)),
  );
  if (review !== undefined)
    await take(support, [
      { name: "revoke", path: "/agents/support-2", ready: ".portrait", prepare: (page) => page.click("button.danger") },
      { name: "stop", path: "/", prepare: (page) => page.click("button.stop") },
      { name: "keys", path: "/", prepare: (page) => page.keyboard.press("?") },
      { name: "account", path: "/", prepare: (page) => page.click(".account button") },
    ]);
} finally {
  await support.close();
}

const REWORDED: Changes = { "purposes.yaml": (text) => text.replace(/statement: .*/, "statement: answer what employees ask for") };

const helpdesk = await Helpdesk.open(null);
try {
  for (let i = 0; i < 20; i++) await helpdesk.decide();
  const { decision_id } = await helpdesk.decide();
  // The policy that runs differs from the first, which is kept as the way back, by a word.
  await helpdesk.publish((await bundleOf(REWORDED, 2)).archive);
  await helpdesk.publish(await helpdesk.back(3), "back");
  await helpdesk.publish((await bundleOf(STRICTER, 4)).archive, "shadow");
  for (let i = 0; i < 12; i++) await helpdesk.decide();
  for (let i = 0; i < 30; i++) await helpdesk.decide({ verb: "read", resource: { type: "incident", id: "INC-81", attributes: {} } });
  await take(helpdesk.browser, [
    { name: "policy", path: "/policy", ready: ".staged [data-row]" },
    ...(review === undefined ? [] : [{ name: "roll-back", path: "/policy?back", ready: "dialog[open]" }]),
    { name: "replay", path: `/records/${decision_id}?replay`, ready: ".replayed" },
    {
      name: "playground",
      path: "/policy/try",
      ready: ".cases",
      // A case that fails is shown with what would have let it pass.
      prepare: async (page) => {
        await page.locator(".status", { hasText: "cases pass" }).waitFor(PATIENCE);
        const editor = page.locator(".editor .cm-content");
        const text = (await editor.locator(".cm-line").allInnerTexts()).map((line) => line.replaceAll("\n", "")).join("\n");
        await editor.click();
        await page.keyboard.press("Control+a");
        await page.keyboard.insertText(text.replace("read: [incident, account], about: task", "read: incident, about: task"));
        await page.locator(".status", { hasText: "fail" }).waitFor(PATIENCE);
        await page.click('.cases button:has-text("its reporter\'s account")');
        await page.locator(".case .ways").waitFor(PATIENCE);
      },
    },
  ]);
} finally {
  await helpdesk.browser.close();
}
process.exit(0);
