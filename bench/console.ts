/**
 * Measures the console in a browser, beside a service on the shipped bundle: how long its pages take, how many elements a long list has, what
 * decisions a second cost it, and how soon everything is stopped while the service has four times what it takes. Needs Chromium. Each figure
 * has the machine's load beside it; of several openings the best is judged, since other work only makes them longer.
 */
import { readFileSync } from "node:fs";
import { Agent, request as sendRequest } from "node:http";
import { loadavg } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type CDPSession, type Page } from "playwright-core";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import { asset } from "../src/system/paths.js";
import { judge, quantile, type Mark } from "./client.js";
import { AS_JSON, readOptions } from "./options.js";
import { answers, Processes } from "./processes.js";
import { BUNDLE } from "./servers.js";
import { holds } from "../test/console/browser.js";
import { PURPOSE, action, agentId, facts } from "./workload.js";

const { actions, loads, seconds, rate, viewers, json } = readOptions("console", {
  about: "Measures the console's pages in Chromium, beside a service on the shipped bundle.",
  options: {
    actions: { says: "actions of one task that are on record", default: 40_000, least: 1000 },
    loads: { says: "times that each page is opened", default: 10, least: 1 },
    seconds: { says: "seconds of decisions before an open page", default: 60, least: 2 },
    rate: { says: "decisions a second meanwhile", default: 1000, least: 1 },
    viewers: {
      says: "pages that look on in the second half of them; one person has 16 at most, and each beyond is refused",
      default: 15,
      least: 1,
    },
    json: AS_JSON,
  },
  examples: ["", "--actions 2000 --loads 3 --seconds 5"],
});

const CHROMIUM = "/usr/bin/chromium";
/** Criterion A1 slows the processor to a quarter. */
const SLOWED = 4;
const SCROLLED = 10_000;
const BATCH = 100;
const PATIENCE_MS = 120_000;
const AGENTS = 200;

/** Times of a page, in milliseconds since it was asked for. */
interface Load {
  paint: number;
  data: number;
}

/** Notes in the page when its data was drawn, and how long events took; `{data}` is where the data stands. */
const WATCH = `
  window.noted = { data: 0, events: [] };
  new MutationObserver(() => {
    if (window.noted.data === 0 && document.querySelector("{data}") !== null) window.noted.data = performance.now();
  }).observe(document, { childList: true, subtree: true });
  new PerformanceObserver((list) => {
    for (const { duration, interactionId } of list.getEntries()) if (interactionId > 0) window.noted.events.push(duration);
  }).observe({ type: "event", durationThreshold: 16, buffered: true });
`;
/** Notes the times between frames, and tasks that take long. */
const FRAMES = `
  window.frames_ms = [];
  window.long_ms = [];
  let last = performance.now();
  const frame = (now) => { window.frames_ms.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) window.long_ms.push(duration); }).observe({ type: "longtask" });
`;

const processes = new Processes();
const dir = join(processes.folder, "remit");
const [port, consolePort] = [await freePort(), await freePort()];
const sandbox = makeSandbox({
  dir,
  bundle: BUNDLE,
  facts: JSON.stringify(facts(AGENTS)),
  port,
  learns: false,
  console: { port: consolePort, person: "ada@example.com" },
});
const main = asset("dist", "src", "cli", "main.js");
processes.start("remit", "measured", process.execPath, [main, "serve", "--config", sandbox.config]);
const url = `http://127.0.0.1:${port}`;
await answers(`${url}/readyz`);
const consoleProcess = processes.start("console", "measured", process.execPath, [main, "console", "--local", "--config", sandbox.console]);
const consoleUrl = `http://127.0.0.1:${consolePort}`;
await answers(`${consoleUrl}/`);

const token = sandbox.token("bench", ["remit:decide", "remit:audit"]);
const agent = new Agent({ keepAlive: true, maxSockets: 2000 });

/** Posts a body. @returns the status; 0: no answer came */
function post(path: string, body: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const request = sendRequest({ host: "127.0.0.1", port, path, method: "POST", headers, agent }, (response) => {
      response.resume();
      response.on("end", () => {
        resolve(response.statusCode ?? 0);
      });
    });
    request.on("error", () => {
      resolve(0);
    });
    request.end(body);
  });
}

const batch = (of: (i: number) => object): string => JSON.stringify({ actions: Array.from({ length: BATCH }, (_, i) => of(i)) });
const line = (text: string): void => {
  if (!json) console.log(text);
};

line(`${actions} actions on one task are decided …`);
// One of five kinds of action of the same task, whatever its number.
for (let done = 0; done < actions; done += BATCH) {
  const status = await post(
    "/decide/batch",
    batch((i) => action(0, PURPOSE, i)),
  );
  if (status !== 200) throw new Error(`POST /decide/batch: ${status}`);
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const signIn = /http\S+\/local\?code=\S+/.exec(readFileSync(join(processes.folder, "console.log"), "utf8"))?.[0];
if (signIn === undefined) throw new Error("the console has printed no address to sign in by");
const first = await context.newPage();
await first.goto(signIn);
await first.waitForSelector("header.bar");
await first.close();

async function opened(path: string, data: string, slowed = 1, within: BrowserContext = context): Promise<{ page: Page; cdp: CDPSession }> {
  const page = await within.newPage();
  const cdp = await within.newCDPSession(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: slowed });
  await page.addInitScript(WATCH.replace("{data}", data));
  await page.goto(`${consoleUrl}${path}`);
  await holds(page, "window.noted.data > 0");
  return { page, cdp };
}

async function loadsOf(path: string, data: string, slowed: number): Promise<Load[]> {
  const found: Load[] = [];
  for (let i = 0; i < loads; i++) {
    const { page } = await opened(path, data, slowed);
    found.push(
      await page.evaluate<Load>(
        "({ paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0, data: window.noted.data })",
      ),
    );
    await page.close();
  }
  return found;
}

const marks: Mark[] = [];
/** Notes a figure; `most` is null where nothing is asked of it. */
const note = (figure: string, found: number, unit: string, most: number | null = null): void => {
  const [load = 0] = loadavg();
  line(`${figure}: ${Math.round(found)} ${unit}`);
  marks.push({ figure: `${figure} (load ${load.toFixed(0)})`, found: Math.round(found * 10) / 10, unit, most });
};
const noteTimes = (figure: string, times: readonly number[], most: number | null): void => {
  note(`${figure}, best of ${times.length}`, Math.min(...times), "ms", most);
  note(`${figure}, in the middle`, quantile(times, 0.5), "ms");
};

for (const [name, path, data] of [
  ["Now", "/", ".card b + span"],
  // What is drawn before any decision comes: rows come with those that are made.
  ["Live", "/live", ".figures dd"],
  ["Records", "/records", "tbody [data-row]"],
  ["Task", "/tasks/T-0", ".timeline [data-row]"],
] as const) {
  const found = await loadsOf(path, data, SLOWED);
  const of = `${name}, the processor slowed to a quarter`;
  noteTimes(
    `${of}: first paint`,
    found.map(({ paint }) => paint),
    500,
  );
  noteTimes(
    `${of}: first data`,
    found.map(({ data: drawn }) => drawn),
    800,
  );
}

// As they are, which is what a long log and a long task are asked for.
for (const [name, path, data, most] of [
  ["records of an agent: first row", `/records?agent=${agentId(0)}`, "tbody [data-row]", 300],
  ["records by decision: first row", "/records?decision=allow", "tbody [data-row]", 300],
  [`a task of ${actions} actions: first row`, "/tasks/T-0", ".timeline [data-row]", 1000],
] as const) {
  const found = await loadsOf(path, data, 1);
  noteTimes(
    name,
    found.map(({ data: drawn }) => drawn),
    most,
  );
}

// Keys, by what the browser takes from each until it has painted again.
{
  const { page } = await opened("/records", "tbody [data-row]", SLOWED);
  for (let i = 0; i < 60; i++) await page.keyboard.press(i % 3 === 2 ? "k" : "j");
  for (const key of ["g", "a", "g", "f", "g", "t", "g", "r"]) {
    await page.keyboard.press(key);
    await page.waitForTimeout(300);
  }
  // Events of less than 16 ms aren't told of.
  const events = await page.evaluate<number[]>("window.noted.events");
  note("keys, slowed so: painted again, p98", events.length === 0 ? 0 : quantile(events, 0.98), "ms", 100);
  await page.close();
}

// A long list.
{
  const { page } = await opened("/records", "tbody [data-row]");
  const listed =
    "Number(document.querySelector('[data-older]')?.closest('p').textContent.replaceAll(',', '').match(/\\d+/)?.[0] ?? Infinity)";
  const wanted = Math.min(SCROLLED, actions - BATCH);
  for (let count = 0; count < wanted; count = await page.evaluate<number>(listed)) {
    await page.locator("[data-older]").click();
    await holds(page, `${listed} > ${count}`);
  }
  await page.evaluate(FRAMES);
  let most = 0;
  for (let y = 0; y < wanted * 30; y += 2400) {
    await page.evaluate(`window.scrollTo(0, ${y})`);
    await page.waitForTimeout(16);
    most = Math.max(most, await page.evaluate<number>("document.querySelectorAll('*').length"));
  }
  const frames = await page.evaluate<number[]>("window.frames_ms");
  note(`${wanted} records scrolled: elements at once`, most, "", 500);
  note("frames meanwhile, p95", quantile(frames, 0.95), "ms", 17);
  await page.close();
}

// Decisions before an open page, at first alone, then beside other viewers.
{
  const used = (): { ms: number; rss_mb: number } => {
    const stat = readFileSync(`/proc/${consoleProcess.pid ?? 0}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${consoleProcess.pid ?? 0}/status`, "utf8"))?.[1] ?? "0";
    return { ms: (Number(stat[11]) + Number(stat[12])) * 10, rss_mb: Math.round(Number(rss) / 1024) };
  };
  const { page, cdp } = await opened("/live", "h1");
  await cdp.send("Performance.enable");
  const heap = async (): Promise<number> => {
    await cdp.send("HeapProfiler.collectGarbage");
    const { metrics } = await cdp.send("Performance.getMetrics");
    return Math.round((metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? 0) / 1e5) / 10;
  };
  const cookies = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const others: { destroy: () => unknown }[] = [];
  let decided = 0;
  const run = async (ms: number): Promise<number[]> => {
    const took: number[] = [];
    const until = performance.now() + ms;
    for (let due = performance.now(); performance.now() < until; due += (1000 * BATCH) / rate) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      const begun = performance.now();
      const status = await post(
        "/decide/batch",
        batch((i) => action((decided + i) % AGENTS)),
      );
      took.push(performance.now() - begun);
      if (status === 200) decided += BATCH;
    }
    return took;
  };
  await page.evaluate(FRAMES);
  await run(2000);
  const heapBefore = await heap();
  const [alone, began] = [used(), performance.now()];
  const withOne = await run((seconds * 1000) / 2);
  const [mid, half] = [used(), performance.now()];
  for (let i = 0; i < viewers; i++) {
    const headers = { cookie: cookies, "sec-fetch-site": "same-origin", host: `127.0.0.1:${consolePort}` };
    const request = sendRequest({ host: "127.0.0.1", port: consolePort, path: "/api/stream", headers, agent: false }, (response) => {
      response.resume();
    });
    request.on("error", () => undefined);
    request.end();
    others.push(request);
  }
  const withAll = await run((seconds * 1000) / 2);
  const [end, ended] = [used(), performance.now()];
  const frames = await page.evaluate<number[]>("window.frames_ms");
  const long = await page.evaluate<number[]>("window.long_ms");
  const share = (from: { ms: number }, to: { ms: number }, ms: number): number => (100 * (to.ms - from.ms)) / ms;
  note("decisions before an open page, a second", decided / ((ended - began + 2000) / 1000), "");
  note("frames, p95", quantile(frames, 0.95), "ms", 17);
  note("frames, p99", quantile(frames, 0.99), "ms", 50);
  note("longest task of the page", quantile([0, ...long], 1), "ms", 150);
  note("heap's growth", (await heap()) - heapBefore, "MB", 5);
  note("the console's share of a core, one page", share(alone, mid, half - began), "%", 5);
  note(`the console's share of a core, ${viewers + 1} pages`, share(mid, end, ended - half), "%", 15);
  note(`a batch of ${BATCH} in the service, p99, one page`, quantile(withOne, 0.99), "ms");
  note(`a batch of ${BATCH} in the service, p99, ${viewers + 1} pages`, quantile(withAll, 0.99), "ms");
  note("the console's memory", end.rss_mb, "MB", 200);
  for (const other of others) other.destroy();
  await page.close();
}

// Everything is stopped by keys while four times as many ask as the service takes at once.
{
  const { page } = await opened("/", ".card b + span");
  let [isOver, refused, asked] = [false, 0, 0];
  const DECISIONS_MAX = 256;
  const loops = Array.from({ length: 4 * DECISIONS_MAX }, async (_, i) => {
    while (!isOver) {
      asked++;
      if ((await post("/decide", JSON.stringify(action(i % AGENTS)))) !== 200) refused++;
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await page.keyboard.press("!");
  await page.waitForSelector("dialog[open] input:focus");
  await page.keyboard.type("stop");
  const pressed = performance.now();
  await page.keyboard.press("Enter");
  await page.waitForSelector(".ack p", { timeout: PATIENCE_MS });
  const after = Math.round(performance.now() - pressed);
  isOver = true;
  await Promise.all(loops);
  note("requests refused at four times what is taken at once", (100 * refused) / asked, "%");
  note("everything stopped then: acknowledged after Enter", after, "ms", 2000);
  await page.close();
}

await browser.close();
agent.destroy();
await processes.stopAll();
judge(marks, json);
