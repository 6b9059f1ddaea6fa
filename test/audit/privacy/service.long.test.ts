import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { BuiltBundle } from "../../../src/bundle/build.js";
import { COMPILER_BUILD_MS_MAX } from "../../build/support.js";
import { ALL, post, run, type Running } from "../../http/running.js";
import { temporaryDirectory } from "../temporary.js";
import { maskingBundle } from "./canaries.js";

const REQUEST = {
  agent: "a-1",
  purpose: "testing",
  verb: "read",
  resource: { type: "customer", id: "ada-4711" },
};

describe("a service with a bundle that masks", () => {
  let bundle: BuiltBundle;
  let log: string;
  before(async function () {
    this.timeout(COMPILER_BUILD_MS_MAX);
    bundle = await maskingBundle();
  });
  beforeEach(() => {
    log = join(temporaryDirectory(), "log");
    mkdirSync(log);
  });

  const start = (): Promise<Running> => run({ log: { dir: log } }, bundle.archive);
  const ready = async (service: Running): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${service.url}/readyz`);
    return { status: response.status, text: await response.text() };
  };
  const decide = async (service: Running): Promise<string> => {
    const response = await post(service, "/decide", REQUEST);
    const { code } = (await response.json()) as { code?: string };
    return `${response.status} ${code ?? ""}`;
  };
  const written = (): string =>
    readdirSync(log)
      .filter((name) => name.endsWith(".jsonl"))
      .map((name) => readFileSync(join(log, name), "utf8"))
      .join("");

  it("decides nothing, and isn't ready, while it has no key, and does by itself once it has one", async () => {
    writeFileSync(join(log, "masks"), "not a folder");
    const service = await start();
    try {
      expect(await decide(service)).to.equal("503 log_unavailable");
      expect((await ready(service)).status).to.equal(503);
      expect(service.said()).to.include('"event":"masks_failed"');
      expect(written()).not.to.include("ada-4711");
      rmSync(join(log, "masks"));
      for (let i = 0; i < 1500 && (await ready(service)).status !== 200; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await decide(service)).to.equal("200 ");
    } finally {
      await service.stop();
    }
    expect(written()).to.match(/"kind":"decision","masked":\["\/answer\/action_digest"/);
    expect(written()).not.to.include("ada-4711");
  });

  it("answers with what it masks, and shows its records without", async () => {
    const service = await start();
    try {
      const answer = (await (await post(service, "/decide", REQUEST)).json()) as Record<string, string>;
      expect(answer["action_digest"]).to.match(/^sha256:/);
      const shown = await fetch(`${service.url}/decisions/${answer["decision_id"]}`, { headers: { authorization: `Bearer ${ALL}` } });
      const text = await shown.text();
      expect(shown.status, text).to.equal(200);
      expect(text).to.include("masked:").and.not.include("ada-4711").and.not.include(answer["action_digest"]);
    } finally {
      await service.stop();
    }
  });

  it("publishes its records as static files without what it masks", async () => {
    const dir = join(temporaryDirectory(), "public");
    const service = await run({ log: { dir: log, checkpoint_ms: 10, publish: { dir, interval_ms: 100 } } }, bundle.archive);
    try {
      expect(await decide(service)).to.equal("200 ");
      const files = (): string[] =>
        readdirSync(dir, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
      for (let i = 0; i < 1500 && !(existsSync(dir) && files().some((text) => text.includes('"kind":"decision"'))); i++)
        await new Promise((resolve) => setTimeout(resolve, 10));
      expect(files().some((text) => text.includes('"kind":"decision"') && text.includes("masked:"))).to.be.true;
      for (const text of files()) expect(text).not.to.include("ada-4711");
    } finally {
      await service.stop();
    }
  });
});
