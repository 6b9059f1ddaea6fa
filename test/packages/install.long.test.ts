/** Each package packed, installed in an empty folder, and used there: as a stranger to the project would. */
import { execFile, spawn, spawnSync, type ExecFileOptions } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { makeSandbox } from "../../demo/sandbox.js";
import { assemble, manifestOf, packageFolders } from "../../scripts/packages.js";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";

const INSTALL_MS_MAX = 600_000;
const MIB = 1024 * 1024;
const run = promisify(execFile);
/** Native modules are built by npm, which takes minutes; those of the project's own folder are the same. */
const NATIVE = "better-sqlite3";

interface Installed {
  folder: string;
  packed: number;
  /** Other packages that came along. */
  packages: string[];
  bytes: number;
}

describe("an installed package", function () {
  this.timeout(INSTALL_MS_MAX);
  let into: string;
  const installed = new Map<string, Installed>();
  /** Name → file of the packed package. */
  const archives = new Map<string, string>();
  before(async () => {
    into = mkdtempSync(join(tmpdir(), "remit-installed-"));
    const made = packageFolders().map((name) => assemble(name, join(into, "assembled")));
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", into, ...made], { maxBuffer: 16 * MIB });
    for (const { name, filename } of JSON.parse(stdout) as { name: string; filename: string }[]) archives.set(name, join(into, filename));
  });
  after(() => {
    for (const [name, { packed, packages, bytes }] of installed)
      console.log(
        `    @remit-pdp/${name}: ${(packed / 1024).toFixed(0)} KiB packed, ${(bytes / MIB).toFixed(1)} MiB installed, ${packages.length} other packages`,
      );
    rmSync(into, { recursive: true, force: true });
  });

  for (const name of packageFolders()) {
    it(`has what its manifest says, and no more: ${name}`, function () {
      const folder = join(into, name);
      mkdirSync(folder);
      writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
      const archive = archives.get(manifestOf(name).name) ?? expect.fail("it wasn't packed");
      const npm = ["install", archive, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--omit=peer"];
      const installing = spawnSync("npm", npm, { cwd: folder, encoding: "utf8" });
      if (installing.status !== 0 && /E(?:NOTFOUND|AI_AGAIN|CONNREFUSED|TIMEDOUT)|network/.test(installing.stderr))
        skip(this, "no registry of packages can be reached");
      expect(installing.status, installing.stderr).to.equal(0);
      const found = {
        folder,
        packed: statSync(archive).size,
        packages: packagesIn(join(folder, "node_modules")),
        bytes: sizeOf(join(folder, "node_modules")),
      };
      installed.set(name, found);
      const { dependencies = {} } = manifestOf(name);
      expect(found.packages).to.include.members(Object.keys(dependencies));
      if (Object.keys(dependencies).length === 0) expect(found.packages).to.deep.equal([]);
    });
  }

  const at = (name: string, context: Mocha.Context): string => installed.get(name)?.folder ?? skip(context, "it wasn't installed");

  it("is a client whose types are whole, without any other package", async function () {
    const folder = at("client", this);
    const program = `
      import { RemitClient, Denied, type Permitted } from "@remit-pdp/client";
      import { SCOPES, type DecideRequest } from "@remit-pdp/client/contract";
      const client = new RemitClient({ url: "http://127.0.0.1:1", token: "a.b.c" });
      const request: DecideRequest = { agent: "a", purpose: "p", verb: "read", resource: { type: "ticket", id: "T" } };
      // @ts-expect-error: a verb is a text, so types aren't \`any\`
      const wrong: DecideRequest = { ...request, verb: 7 };
      try {
        await client.decide(request);
      } catch (error) {
        console.log((error as Error).name, error instanceof Denied, Object.keys(SCOPES).length > 3, wrong.verb);
      }
      // It follows what changes for as long as it is open, and tries again where nobody answers.
      client.close();
      export type { Permitted };
    `;
    writeFileSync(join(folder, "use.ts"), program);
    const libraries = { lib: ["es2023", "dom", "dom.iterable"], types: [], skipDefaultLibCheck: true };
    const compilerOptions = { strict: true, module: "nodenext", target: "es2022", ...libraries };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
    const compiled = spawnSync(process.execPath, [asset("node_modules", "typescript", "bin", "tsc"), "-p", "."], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(compiled.stdout).to.equal("");
    const { stdout } = await run(process.execPath, ["use.js"], { cwd: folder });
    expect(stdout).to.equal("Undecided false true 7\n");
  });

  it("is a command that has its own subcommands and no others", async function () {
    const wanted: Readonly<Record<string, [has: string, lacks: string]>> = {
      service: ["serve", "build"],
      "mcp-guard": ["guard", "serve"],
      audit: ["replay", "serve"],
      cli: ["build", "nothing"],
    };
    for (const [name, [has, lacks]] of Object.entries(wanted)) {
      const remit = join(at(name, this), "node_modules", ".bin", "remit");
      const { stdout } = await run(remit, ["--help"]);
      expect(stdout, name)
        .to.match(new RegExp(`^  ${has} `, "m"))
        .and.not.to.match(new RegExp(`^  ${lacks} `, "m"));
      expect((await run(remit, ["--version"])).stdout.trim()).to.equal(version());
    }
  });

  it("is a service that starts, decides and ends", async function () {
    const folder = at("service", this);
    withNative(folder, this);
    const dir = join(folder, "sandbox");
    const bundle = {
      name: "customer_support",
      path: asset("bundles", "customer_support.tar.gz"),
      keys: [asset("bundles", "customer_support.pub.pem")],
    };
    const facts = "agents:\n  support-7: {owner: desk@example.com, purposes: [customer_support]}\n";
    const sandbox = makeSandbox({ dir, bundle, facts, port: 0 });
    const options: ExecFileOptions = { env: { ...process.env, NODE_ENV: "test" } };
    const service = spawn(join(folder, "node_modules", ".bin", "remit"), ["serve", "--config", sandbox.config], {
      ...options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(service, "exit");
    try {
      const url = await listening(service.stdout, service.stderr);
      const response = await fetch(`${url}/decide`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${sandbox.token("gateway", ["remit:decide"])}` },
        body: JSON.stringify({ agent: "support-7", purpose: "customer_support", verb: "read", resource: { type: "ticket", id: "TCK-81" } }),
      });
      expect([response.status, ((await response.json()) as { decision: string }).decision]).to.deep.equal([200, "deny"]);
    } finally {
      service.kill("SIGTERM");
    }
    expect((await ended)[0]).to.equal(0);
  });

  it("is an auditor's tool that verifies the shipped bundle", async function () {
    const folder = at("audit", this);
    withNative(folder, this);
    const remit = join(folder, "node_modules", ".bin", "remit");
    const [archive, key] = [asset("bundles", "customer_support.tar.gz"), asset("bundles", "customer_support.pub.pem")];
    expect((await run(remit, ["verify", archive, "--key", key])).stdout).to.contain("customer_support");
  });
});

const version = (): string => (JSON.parse(readFileSync(asset("package.json"), "utf8")) as { version: string }).version;

/** Gives a package's native module the build that the project's own has. */
function withNative(folder: string, context: Mocha.Context): void {
  const build = asset("node_modules", NATIVE, "build");
  if (!existsSync(build)) skip(context, `no build of ${NATIVE}`);
  cpSync(build, join(folder, "node_modules", NATIVE, "build"), { recursive: true });
}

/** The address that a service says it listens on. */
async function listening(...streams: NodeJS.ReadableStream[]): Promise<string> {
  let said = "";
  return await new Promise((resolve, reject) => {
    for (const stream of streams) {
      stream.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
        if (url !== undefined && /listening|ready/.test(said)) resolve(url);
      });
      stream.on("end", () => {
        reject(new Error(said));
      });
    }
  });
}

/** Names of packages other than the project's own. */
function packagesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) => (name.startsWith("@") ? readdirSync(join(folder, name)).map((one) => `${name}/${one}`) : [name]))
    .filter((name) => !name.startsWith("@remit-pdp/"))
    .sort();
}

function sizeOf(path: string): number {
  const stats = lstatSync(path);
  return stats.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : stats.size;
}
