/**
 * TypeScript examples of the documents and of docstrings: each is type-checked as a user's project would, and run against a service on
 * loopback with the shipped policies. Names that an example doesn't declare are those of `given.ts`.
 */
import { execFile, type ExecFileOptions } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { promisify } from "node:util";
import { expect } from "chai";
import { stringify } from "yaml";
import { makeSandbox } from "../../demo/sandbox.js";
import { SCOPES, type Scope } from "../../src/contract/index.js";
import { startService, type Service } from "../../src/service.js";
import { readConfig } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger } from "../../src/system/logger.js";
import { asset } from "../../src/system/paths.js";
import { manifestOf, packageFolders } from "../../scripts/packages.js";
import { blocksOfDocuments, optionsWithoutDefault, publicFunctions } from "./blocks.js";
import { compileExamples } from "./programs.js";

/** Classes and interfaces whose methods a user calls; others are only thrown or read. */
const CALLED = ["RemitClient", "Embedded"];
const HOUR_MS = 3_600_000;
const RUN_MS_MAX = 120_000;
const FACTS = {
  agents: { "support-7": { owner: "support-platform@example.com", purposes: ["customer_support"] } },
  tasks: {
    "T-1": {
      agent: "support-7",
      purpose: "customer_support",
      subjects: { ticket: ["TCK-81"], customer: ["ada"] },
      attributes: { topic: "billing" },
      expires: new Date(system.clock.wall() + 8 * HOUR_MS).toISOString(),
    },
  },
};

const exported = packageFolders().flatMap((folder) => Object.values(manifestOf(folder).exports ?? {}));
const entries = [...new Set(exported)].map((file) => asset(file.replace(/^\.\/dist\//, "").replace(/js$/, "ts")));
const functions = publicFunctions(entries, CALLED);
const documents = blocksOfDocuments().filter(({ language }) => language === "ts");
const blocks = [...documents.filter(({ notRun }) => notRun === null), ...functions.flatMap(({ examples }) => examples)];

describe("TypeScript examples", function () {
  this.timeout(2 * RUN_MS_MAX);
  const examples = compileExamples(blocks, namesOfGiven());
  let folder: string;
  let service: Service;
  let outcomes: Map<string, string | null>;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-examples-"));
    const bundle = {
      name: "customer_support",
      path: asset("bundles", "customer_support.tar.gz"),
      keys: [asset("bundles", "customer_support.pub.pem")],
    };
    const sandbox = makeSandbox({ dir: join(folder, "service"), bundle, facts: stringify(FACTS), port: 0 });
    service = await startService(readConfig(sandbox.config), system, logger(system.clock, new PassThrough()));
    cpSync(asset("bundles", "customer_support.pub.pem"), join(folder, "customer_support.pub.pem"));
    const env = { ...process.env, REMIT_URL: service.url, REMIT_TOKEN: sandbox.token("examples", Object.keys(SCOPES) as Scope[]) };
    const program = asset("dist", "test", "docs", "run_examples.js");
    outcomes = new Map(
      await ran(process.execPath, [program, ...examples.map(({ module }) => module)], { cwd: folder, env, timeout: RUN_MS_MAX }),
    );
  });

  after(async () => {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const { at, module, errors } of examples) {
    it(`${at} compiles and runs`, () => {
      expect(errors).to.deep.equal([]);
      expect(outcomes.get(module)).to.equal(null);
    });
  }
});

describe("public options", () => {
  it("say what they default to, each that may be left out", () => {
    expect(optionsWithoutDefault(entries)).to.deep.equal([]);
  });
});

describe("public functions", () => {
  for (const { name, at, tags, examples } of functions) {
    it(`${name} (${at}) has one example`, () => {
      expect(examples).to.have.length(1);
      expect(tags).to.include("example");
    });
  }
});

function namesOfGiven(): string[] {
  const text = readFileSync(asset("test", "docs", "given.ts"), "utf8");
  return [...text.matchAll(/^export const (\w+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "PLACES");
}

async function ran(command: string, args: string[], options: ExecFileOptions): Promise<[string, string | null][]> {
  const { stdout } = await promisify(execFile)(command, args, options);
  // Examples print above it.
  return JSON.parse(String(stdout).split("\n").at(-1) ?? "") as [string, string | null][];
}
