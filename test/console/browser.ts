/** A browser beside a console, each page of which is watched: nothing may go wrong, and nothing may be asked of anybody else. */
import { existsSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";
import { ConsoleDesk, type ConsoleDeskOptions } from "./running.js";

const CHROMIUM = "/usr/bin/chromium";

export interface WatchedPage {
  page: Page;
  errors: string[];
  /** Requests, each as its method and its address without the origin; of other origins with it. */
  requests: string[];
}

export class ConsoleBrowser {
  private constructor(
    readonly desk: ConsoleDesk,
    private readonly browser: Browser,
    readonly context: BrowserContext,
  ) {}

  /**
   * Opens a desk with a console, and signs in.
   * @param suite skipped where there is no browser; null: none is
   */
  static async open(suite: Mocha.Context | null, options: ConsoleDeskOptions = {}): Promise<ConsoleBrowser> {
    if (suite !== null && !existsSync(CHROMIUM)) skip(suite, `no ${CHROMIUM}`);
    const desk = await ConsoleDesk.open({}, { page: asset("dist", "console"), flows: true, ...options });
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    await page.goto(desk.running.signIn() ?? "");
    await page.waitForSelector("header.bar");
    await page.close();
    return new ConsoleBrowser(desk, browser, context);
  }

  async close(): Promise<void> {
    await this.context.close();
    await this.browser.close();
    await this.desk.close();
  }

  async watched(): Promise<WatchedPage> {
    const page = await this.context.newPage();
    const watched: WatchedPage = { page, errors: [], requests: [] };
    page.on("pageerror", ({ message }) => watched.errors.push(message));
    page.on("console", (message) => {
      if (message.type() === "error") watched.errors.push(message.text());
    });
    page.on("dialog", (dialog) => {
      watched.errors.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => watched.requests.push(`${request.method()} ${request.url().replace(this.desk.running.url, "")}`));
    return watched;
  }

  async goTo(path: string): Promise<WatchedPage> {
    const watched = await this.watched();
    await watched.page.goto(`${this.desk.running.url}${path}`);
    return watched;
  }
}

/** Resolves once an expression holds in a page; by evaluating it from here, since no page of the console evaluates a text by itself. */
export async function holds(page: Page, expression: string): Promise<void> {
  while (!(await page.evaluate<boolean>(`Boolean(${expression})`))) await new Promise((resolve) => setTimeout(resolve, 20));
}
