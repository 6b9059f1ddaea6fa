import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "chai";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import type { Answer } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { remit } from "../cli/remit.js";
import { OTHERS_INVOICE } from "../findings/service_support.js";
import { skip } from "../skip.js";
import { BREACHES, fillHostile } from "./hostile.js";
import { ConsoleDesk, PERSON } from "./running.js";

const CHROMIUM = "/usr/bin/chromium";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Part of a browser's element that functions use which run in the page. The browser's own types would change those of the sources. */
interface Shown {
  textContent: string | null;
  innerText: string;
  innerHTML: string;
  outerHTML: string;
  href: string;
  scrollWidth: number;
  clientWidth: number;
  querySelector(selector: string): Shown | null;
  hasAttribute(name: string): boolean;
  getAttribute(name: string): string | null;
}
declare const document: {
  body: Shown;
  documentElement: Shown;
  activeElement: Shown | null;
  cookie: string;
  querySelector(selector: string): Shown | null;
  querySelectorAll(selector: string): Iterable<Shown>;
};
declare const window: object;
declare const location: { origin: string; pathname: string };
declare const localStorage: { removeItem(name: string): void };
declare const sessionStorage: object;

interface Watched {
  page: Page;
  errors: string[];
  /** Addresses asked for that aren't the console's own. */
  outside: string[];
}

describe("the console's page, in a browser", function () {
  let desk: ConsoleDesk;
  let browser: Browser;
  let context: BrowserContext;
  let waiting: Answer;
  const contexts: BrowserContext[] = [];

  before(async function () {
    if (!existsSync(CHROMIUM)) skip(this, `no ${CHROMIUM}`);
    desk = await ConsoleDesk.open({}, { page: asset("dist", "console"), flows: true });
    await desk.desk.decide("read invoice/I-1 customer-1");
    await desk.desk.decide("read order/O-1 customer-1");
    await desk.desk.decide("delete customer/customer-1");
    waiting = await desk.desk.decide(OTHERS_INVOICE);
    await desk.desk.decide("read order/O-9 customer-9", 2);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    context = await signedIn();
  });
  after(async () => {
    for (const one of contexts) await one.close();
    await (browser as Browser | undefined)?.close();
    await (desk as ConsoleDesk | undefined)?.close();
  });

  async function signedIn(): Promise<BrowserContext> {
    const made = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    contexts.push(made);
    await made.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await made.newPage();
    await page.clock.install({ time: desk.desk.clock.wall() });
    await page.goto(desk.running.signIn() ?? "");
    await page.waitForSelector("header.bar");
    await page.close();
    return made;
  }

  async function opened(path: string, within = context): Promise<Watched> {
    const page = await within.newPage();
    const watched: Watched = { page, errors: [], outside: [] };
    page.on("pageerror", ({ message }) => watched.errors.push(message));
    page.on("console", (message) => {
      if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) watched.errors.push(message.text());
    });
    page.on("dialog", (dialog) => {
      watched.errors.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(`${desk.running.url}/`)) watched.outside.push(request.url());
    });
    await page.clock.install({ time: desk.desk.clock.wall() });
    await page.goto(`${desk.running.url}${path}`);
    await page.waitForSelector("main h1, main .failed, main .empty");
    await page.waitForFunction(() => document.querySelector(".loading") === null);
    return watched;
  }

  const screens = (): Record<string, string> => ({
    ...{
      now: "/",
      live: "/live",
      waiting: "/waiting",
      findings: "/findings",
      finding: `/findings/${waiting.finding ?? ""}`,
      agents: "/agents",
    },
    ...{
      agent: "/agents/support-1",
      tasks: "/tasks",
      task: "/tasks/T-1",
      records: "/records",
      decision: `/records/${waiting.decision_id}`,
    },
    ...{
      nothing: "/records?agent=nobody&verb=read",
      policy: "/policy",
      health: "/health",
      unknown: "/no/such/page",
      missing: "/agents/nobody",
    },
  });

  const COLOURS = {
    light: { colorScheme: "light", forcedColors: "none" },
    dark: { colorScheme: "dark", forcedColors: "none" },
    "colours that the system forces": { colorScheme: "light", forcedColors: "active" },
  } as const;

  it(`breaks no rule of accessibility, in ${Object.keys(COLOURS).join(", ")}, and asks nobody else for anything`, async () => {
    const found: string[] = [];
    for (const [name, path] of Object.entries(screens())) {
      const { page, errors, outside } = await opened(path);
      await page.evaluate(AXE);
      for (const [colours, media] of Object.entries(COLOURS)) {
        await page.emulateMedia(media);
        const violations = await page.evaluate(async () => {
          const { axe } = window as unknown as {
            axe: { run: (options: object) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> };
          };
          return (await axe.run({ resultTypes: ["violations"] })).violations.map(
            ({ id, nodes }) =>
              `${id}: ${nodes
                .map(({ html, failureSummary }) => `${html.slice(0, 120)} ${failureSummary.slice(0, 160)}`)
                .join(" | ")
                .slice(0, 400)}`,
          );
        });
        found.push(...violations.map((one) => `${name}, ${colours}: ${one}`));
      }
      found.push(...errors.map((one) => `${name}: ${one}`), ...outside);
      await page.close();
    }
    expect(found).to.deep.equal([]);
  });

  it("tells decisions, what is chosen and what is dangerous apart where the system forces its colours", async () => {
    const { page } = await opened("/records");
    await page.emulateMedia({ forcedColors: "active" });
    const borders = await page.evaluate(() => {
      const style = (selector: string): { borderLeftStyle: string; outlineStyle: string; borderTopWidth: string } =>
        (
          window as unknown as {
            getComputedStyle: (of: Shown | null) => { borderLeftStyle: string; outlineStyle: string; borderTopWidth: string };
          }
        ).getComputedStyle(document.querySelector(selector));
      return {
        denied: style("tr.deny td").borderLeftStyle,
        allowed: style("tr.allow td").borderLeftStyle,
        chosen: style(".bar nav a[aria-current]").outlineStyle,
        stop: style(".stop").borderTopWidth,
      };
    });
    expect(borders).to.deep.equal({ denied: "double", allowed: "none", chosen: "solid", stop: "2px" });
    await page.close();
  });

  it("can be read at 400 %, without scrolling to the side", async () => {
    const narrow = await browser.newContext({ viewport: { width: 320, height: 640 }, storageState: await context.storageState() });
    contexts.push(narrow);
    const wide: string[] = [];
    for (const [name, path] of Object.entries(screens())) {
      const { page } = await opened(path, narrow);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) wide.push(`${name}: ${over}`);
      await page.close();
    }
    expect(wide).to.deep.equal([]);
  });

  it("stops an element that a script would make of text, by its policy", async () => {
    const { page } = await opened("/");
    const stopped = await page.evaluate(() => {
      try {
        document.body.innerHTML = "<b>x</b>";
        return "it was made";
      } catch (error) {
        return (error as Error).name;
      }
    });
    expect(stopped).to.equal("TypeError");
    await page.close();
  });

  it("shows hostile text in every field as text, in its place", async () => {
    const other = await ConsoleDesk.open({}, { page: asset("dist", "console"), flows: true });
    const own = desk;
    desk = other;
    try {
      const paths = await fillHostile(other);
      const hostile = await signedIn();
      const found: string[] = [];
      for (const path of paths) {
        let shown = await opened(path, hostile);
        // What a busy service can't look up now, it shows later.
        while (shown.errors.some((error) => error.includes("status of 503"))) {
          await shown.page.close();
          shown = await opened(path, hostile);
        }
        const { page, errors, outside } = shown;
        const breaches = await page.evaluate<string[]>(BREACHES);
        found.push(...breaches.map((one) => `${path}: ${one}`));
        found.push(...errors.map((one) => `${path}: ${one}`), ...outside);
        await page.close();
      }
      expect(found).to.deep.equal([]);
    } finally {
      desk = own;
      await other.close();
    }
  });

  it("revokes in two keys from a row, and says since when that holds", async () => {
    const { page } = await opened("/live");
    await desk.desk.decide("read order/O-1 customer-3", 3);
    await page.waitForSelector("[data-row]");
    await page.keyboard.press("j");
    const agent = await page.evaluate(() => document.activeElement?.querySelector("td:nth-child(3)")?.textContent);
    await page.keyboard.press("r");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".ack p");
    const said = await page.textContent(".ack");
    expect(said)
      .to.match(/is revoked: in force \d+ ms after your key/)
      .and.match(/The last answer without it had left \d+(?:\.\d)? ms after it held\. \d+ followers? told at once\./)
      .and.match(/durable, revision \d+/);
    const { body } = await desk.desk.ask("GET", `/revocations/agent/${agent ?? ""}`);
    expect(body).to.deep.include({ by: `console:${PERSON}`, lifted: null });
    expect(await page.evaluate(() => document.activeElement?.hasAttribute("data-row"))).to.equal(true);
    await desk.desk.ask("POST", `/revocations/agent/${agent ?? ""}/lift`, { reason: "a test" });
    await page.close();
  });

  it("stands still while somebody is in the list of what waits, and approves exactly what was shown", async () => {
    const { page } = await opened("/waiting");
    await page.focus(".waiting [data-row]");
    const before = await page.textContent(".waiting h2");
    await desk.desk.decide(OTHERS_INVOICE, 2);
    await page.clock.runFor(6000);
    await page.waitForFunction(() => document.querySelector(".hold")?.textContent?.includes("1 newer"));
    expect(await page.locator(".waiting > li").count()).to.equal(1);
    expect(await page.textContent(".waiting h2")).to.equal(before);
    await page.keyboard.press("a");
    await page.keyboard.type("ticket 12");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".ack p");
    expect(await page.textContent(".ack")).to.contain("Exactly this action is approved once");
    expect((await desk.desk.decide(OTHERS_INVOICE)).proceed).to.equal(true);
    await page.close();
  });

  it("stops everything with a key, a typed word and Enter, and lifts it with a reason", async () => {
    const { page } = await opened("/");
    await page.keyboard.press("!");
    await page.waitForSelector("dialog[open] input:focus");
    await page.keyboard.type("sto");
    expect(await page.isDisabled("dialog button[type=submit]")).to.equal(true);
    await page.keyboard.type("p");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".ack p");
    expect((await desk.desk.decide("read order/O-1 customer-1")).reasons.map(({ code }) => code)).to.deep.equal(["everything_revoked"]);
    await page.waitForFunction(() => document.querySelector("main")?.textContent?.includes("everything is revoked"));
    await page.click("text=Lift …");
    await page.fill("dialog input", "a drill");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector(".ack")?.textContent?.includes("is lifted"));
    expect((await desk.desk.decide("read order/O-1 customer-1")).decision).to.equal("allow");
    await page.close();
  });

  it("goes everywhere by keys, which can be switched off", async () => {
    const { page } = await opened("/");
    for (const [key, path] of [
      ["l", "/live"],
      ["w", "/waiting"],
      ["f", "/findings"],
      ["a", "/agents"],
      ["t", "/tasks"],
      ["r", "/records"],
      ["p", "/policy"],
      ["h", "/health"],
      ["n", "/"],
    ] as const) {
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      await page.waitForFunction((to) => location.pathname === to, path);
    }
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.check("dialog input[type=checkbox]");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog[open]", { state: "detached" });
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    expect(new URL(page.url()).pathname).to.equal("/");
    await page.evaluate(() => {
      localStorage.removeItem("remit.keys");
    });
    await page.close();
  });

  it("shows lines of remit that run, and find what the page shows", async () => {
    const token = desk.desk.token("remit:decide remit:register remit:revoke remit:review remit:publish remit:audit");
    const seen = new Set<string>();
    for (const path of Object.values(screens())) {
      const { page } = await opened(path);
      const lines = await page.evaluate(() =>
        [...document.querySelectorAll("[data-copies]")].map((one) => one.getAttribute("data-copies") ?? ""),
      );
      const rows = await page.locator("tbody tr[data-row]").count();
      for (const line of lines.filter((one) => !/ (?:approve|misuse|follow|publish) /.test(`${one} `) && !seen.has(one))) {
        seen.add(line);
        const words = [...line.matchAll(/'((?:[^']|'\\'')*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "").slice(1);
        const service = ["--url", desk.desk.service.url, "--token", token];
        const { exit, out, err } = await remit(...words, ...service);
        if (path !== "/agents/nobody") expect(exit, `${line}: ${err}`).to.equal("ok");
        if (path === "/records") expect(out.trim().split("\n").length - 1, line).to.equal(rows);
      }
      await page.close();
    }
    expect(seen.size).to.be.above(10);
  });

  it("has no token anywhere in its memory that a page can read", async () => {
    const { page } = await opened("/");
    const text = await page.evaluate(() =>
      JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, document.documentElement.outerHTML]),
    );
    expect(text).to.not.match(/eyJ[\w-]+\.eyJ/);
    expect(await page.evaluate(() => document.cookie)).to.equal("");
    await page.close();
  });
});
