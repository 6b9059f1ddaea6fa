/**
 * Clients generated from /openapi.json by five generators: each is generated, checked by its language's compiler, and asks a running
 * service for an allow, a deny, a flag, a batch, a revocation and the records of these.
 *
 * Generators are installed once, at the versions below, into a cache outside the tree. One that can't be had is skipped, and said so;
 * whatever else goes wrong is a failure. Exit code 0: no failure.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { makeSandbox } from "../demo/sandbox.js";
import { startService } from "../src/service.js";
import { readConfig } from "../src/system/config.js";
import { system } from "../src/system/index.js";
import { asset } from "../src/system/paths.js";
import { readOptions } from "./options.js";
import { inHours } from "./workload.js";

const PURPOSE = "customer_support";

interface Generator {
  /** What is installed: its version too, so that another version has another cache. */
  pinned: string;
  /** The program that the generated client is put beside. */
  program: string;
  install: (cache: string) => Promise<void>;
  /** Generates the client beside the program, compiles both and runs them. */
  run: (at: Place) => Promise<void>;
}

interface Place {
  cache: string;
  folder: string;
  /** File with the OpenAPI document. */
  document: string;
  env: Record<string, string>;
}

const RUNTIME = "github.com/oapi-codegen/runtime@v1.9.0";
const PYTHON = ["mypy==2.4.1", "httpx==0.28.1"];
const bin = (cache: string, name: string): string => join(cache, "bin", name);

async function installPython(cache: string, packages: readonly string[]): Promise<void> {
  await run("python3", ["-m", "venv", cache], cache);
  await run(bin(cache, "pip"), ["install", "--quiet", "--disable-pip-version-check", ...packages, ...PYTHON], cache);
}

/** Type-checks the program against the generated client, loads it and runs it. */
async function runPython({ cache, folder, env }: Place): Promise<void> {
  await run(bin(cache, "mypy"), ["--follow-imports=silent", "main.py"], folder);
  await run(bin(cache, "python"), ["-m", "compileall", "-q", "."], folder);
  await run(bin(cache, "python"), ["main.py"], folder, env);
}

const GENERATORS: Readonly<Record<string, Generator>> = {
  "openapi-python-client": {
    pinned: "openapi-python-client-0.29.1",
    program: "openapi_python_client.py",
    install: (cache) => installPython(cache, ["openapi-python-client==0.29.1", "ruff==0.17.6"]),
    run: async (at) => {
      const { cache, folder, document } = at;
      const options = ["--path", document, "--output-path", "remit_client", "--meta", "none"];
      await run(bin(cache, "openapi-python-client"), ["generate", ...options], folder, { PATH: withFirst(join(cache, "bin")) });
      await runPython(at);
    },
  },
  "openapi-generator": {
    pinned: "openapi-generator-7.26.0",
    program: "openapi_generator.py",
    install: (cache) =>
      installPython(cache, [
        ...["openapi-generator-cli==7.26.0", "pydantic==2.14.4", "urllib3==2.8.0"],
        ...["python-dateutil==4.0.0", "types-python-dateutil==2.9.0.20261116"],
      ]),
    run: async (at) => {
      const { cache, folder, document } = at;
      const options = ["-i", document, "-g", "python", "-o", ".", "--additional-properties", "packageName=remit_client"];
      await run(bin(cache, "openapi-generator-cli"), ["generate", ...options], folder);
      await runPython(at);
    },
  },
  "datamodel-code-generator": {
    pinned: "datamodel-code-generator-0.89.0",
    program: "datamodel_code_generator.py",
    install: (cache) => installPython(cache, ["datamodel-code-generator==0.89.0", "pydantic==2.14.4"]),
    run: async (at) => {
      const { cache, folder, document } = at;
      const options = ["--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--output", "remit_models.py"];
      await run(bin(cache, "datamodel-codegen"), ["--input", document, ...options], folder);
      await runPython(at);
    },
  },
  "oapi-codegen": {
    pinned: "oapi-codegen-2.8.2",
    program: "oapi_codegen.go.txt",
    install: async (cache) => {
      const tool = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2";
      await run("go", ["install", tool], cache, { GOBIN: join(cache, "bin") });
      await run("go", ["mod", "download", RUNTIME], cache, {});
    },
    run: async ({ cache, folder, document, env }) => {
      await run(bin(cache, "oapi-codegen"), ["-generate", "types,client", "-package", "main", "-o", "remit.go", document], folder);
      await run("go", ["mod", "init", "remit-client"], folder);
      await run("go", ["get", RUNTIME], folder);
      await run("go", ["mod", "tidy"], folder);
      await run("go", ["vet", "."], folder);
      await run("go", ["build", "-o", "client", "."], folder);
      await run(join(folder, "client"), [], folder, env);
    },
  },
  "openapi-typescript": {
    pinned: "openapi-typescript-7.13.0",
    program: "openapi_typescript.ts.txt",
    install: async (cache) => {
      writeFileSync(join(cache, "package.json"), JSON.stringify({ private: true, type: "module" }));
      const packages = ["openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3", "@types/node@20.19.43"];
      await run("npm", ["install", "--no-audit", "--no-fund", "--save-exact", ...packages], cache);
    },
    run: async ({ cache, folder, document, env }) => {
      const tool = (name: string): string => join(cache, "node_modules", ".bin", name);
      // Modules are looked for in the folders above the program.
      const inside = mkdtempSync(join(cache, "client-"));
      try {
        copyFileSync(join(folder, "main.ts"), join(inside, "main.ts"));
        await run(tool("openapi-typescript"), [document, "-o", "remit.ts"], inside);
        const options = ["--strict", "--target", "es2022", "--module", "nodenext", "--types", "node", "--skipLibCheck"];
        await run(tool("tsc"), [...options, "main.ts"], inside);
        await run(process.execPath, ["main.js"], inside, env);
      } finally {
        rmSync(inside, { recursive: true, force: true });
      }
    },
  },
};

const { only } = readOptions("clients", {
  about: "Generates clients from the service's OpenAPI document, compiles them and runs them against a service.",
  options: { only: { says: "generators to run", among: Object.keys(GENERATORS) } },
  examples: ["", "--only oapi-codegen,openapi-typescript"],
});
const chosen = only ?? Object.keys(GENERATORS);

const scratch = mkdtempSync(join(tmpdir(), "remit-clients-"));
const clock = inHours(system.clock);
const expires = new Date(clock.wall() + 86_400_000).toISOString();
const { config, token } = makeSandbox({
  dir: join(scratch, "service"),
  bundle: { name: PURPOSE, path: asset("bundles", `${PURPOSE}.tar.gz`), keys: [asset("bundles", `${PURPOSE}.pub.pem`)] },
  facts: JSON.stringify({
    agents: Object.fromEntries(chosen.map((name) => [name, { owner: "bench", purposes: [PURPOSE] }])),
    tasks: Object.fromEntries(
      chosen.map((name) => [
        `T-${name}`,
        {
          ...{ agent: name, purpose: PURPOSE, expires, attributes: { topic: "billing" } },
          subjects: { ticket: ["TCK-81"], customer: ["ada"] },
        },
      ]),
    ),
  }),
  port: 0,
  learns: false,
  clock,
});
const quiet = { info: () => undefined, warn: () => undefined, error: console.error };
const service = await startService(readConfig(config), { ...system, clock }, quiet);
try {
  const document = join(scratch, "openapi.json");
  writeFileSync(document, await (await fetch(`${service.url}/openapi.json`)).text());
  for (const name of chosen) await prove(name, GENERATORS[name] as Generator, document);
} finally {
  await service.stop();
  rmSync(scratch, { recursive: true, force: true });
}

async function prove(name: string, generator: Generator, document: string): Promise<void> {
  const { pinned, program, install } = generator;
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "clients", pinned);
  if (!(await isInstalled(cache, install))) {
    console.log(`skipped  ${name}: ${pinned} can't be installed here`);
    return;
  }
  const folder = join(scratch, name);
  mkdirSync(folder);
  const [, ending = ""] = /\.(py|go|ts)/.exec(program) ?? [];
  copyFileSync(asset("bench", "clients", program), join(folder, `main.${ending}`));
  const env = {
    REMIT_URL: service.url,
    REMIT_TOKEN: token("bench", ["remit:decide", "remit:revoke", "remit:audit"]),
    REMIT_AGENT: name,
    REMIT_TASK: `T-${name}`,
  };
  try {
    await generator.run({ cache, folder, document, env });
    console.log(`ok       ${name}: ${pinned} allows, denies, flags, asks in a batch, revokes, searches`);
  } catch (error) {
    console.log(`FAILED   ${name}: ${pinned}\n${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

/** Whether the generator is in its cache, or could be put there now. A half-made cache is none. */
async function isInstalled(cache: string, install: Generator["install"]): Promise<boolean> {
  const mark = join(cache, "installed");
  if (existsSync(mark)) return true;
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  try {
    await install(cache);
    writeFileSync(mark, "");
    return true;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    rmSync(cache, { recursive: true, force: true });
    return false;
  }
}

function withFirst(folder: string): string {
  return `${folder}${delimiter}${process.env["PATH"] ?? ""}`;
}

/** Runs a program to its end. @throws Error with what it printed, if its exit code isn't 0 */
async function run(command: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<void> {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`\`${[command, ...args].join(" ")}\` ended with ${String(code)}:\n${printed.slice(-4000)}`);
}
