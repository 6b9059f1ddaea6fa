/**
 * Schemathesis over /openapi.json, against a service of its own: what the document says is what is answered.
 *
 * Installs Schemathesis from PyPI into a cache outside the tree, once (needs Python 3 with venv). Exit code 0: no finding.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { readUnverified } from "../src/bundle/verify.js";
import { SCOPES, type Scope } from "../src/contract/index.js";
import { asset } from "../src/system/paths.js";
import { Dice } from "../test/differential/dice.js";
import { host } from "../test/hostile/host.js";
import { makeWorld } from "../test/hostile/world.js";
import { readOptions } from "./options.js";

const VERSION = "4.32.5";
const BUNDLE = "customer_support";
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_schema_conformance",
  "response_headers_conformance",
  "negative_data_rejection",
  "unsupported_method",
  "allow_header_conformance",
  "ignored_auth",
  "missing_required_header",
];

/** 503 is the answer of a service that can't decide now. A text may be too long for its field by being too long for any body. */
const CONFIG = `[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
`;

const { examples, seed } = readOptions("schemathesis", {
  about: "Runs Schemathesis over /openapi.json (installed from PyPI once; needs Python 3 with venv).",
  options: {
    examples: { says: "examples of each operation", default: 200, least: 1 },
    seed: { says: "seed of the random numbers; drawn if left out", default: randomInt(2 ** 31) },
  },
  examples: ["--examples 20", "--seed 17"],
});
// Its scratch files stay out of the tree.
const folder = mkdtempSync(join(tmpdir(), "remit-schemathesis-"));
writeFileSync(join(folder, "schemathesis.toml"), CONFIG);
const program = await installed();
const bundle = await readUnverified(readFileSync(asset("bundles", `${BUNDLE}.tar.gz`)));
const service = await host(BUNDLE, makeWorld(bundle, new Dice(seed), Date.now()), true);
try {
  const url = `http://127.0.0.1:${service.port}/openapi.json`;
  const token = service.token("schemathesis", Object.keys(SCOPES) as Scope[]);
  const found = await run(program, [
    ...["run", url, "--header", `Authorization: Bearer ${token}`, "--checks", CHECKS.join()],
    // Its answer has no end to wait for.
    ...["--exclude-path", "/events"],
    ...["--max-examples", String(examples), "--seed", String(seed), "--continue-on-failure", "--no-color"],
  ]);
  const failed = service.process.exitCode !== null || service.said().includes("failed unexpectedly");
  if (failed) console.error(service.said());
  process.exitCode = failed ? 1 : found;
} finally {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Path of `st`, in a virtual environment of its own. */
async function installed(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `schemathesis-${VERSION}`);
  const st = join(cache, "bin", "st");
  if (existsSync(st)) return st;
  console.error(`installing schemathesis ${VERSION} into ${cache}, once`);
  const steps: [string, string[]][] = [
    ["python3", ["-m", "venv", cache]],
    [join(cache, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", `schemathesis==${VERSION}`]],
  ];
  for (const [command, args] of steps) {
    if ((await run(command, args)) === 0) continue;
    rmSync(cache, { recursive: true, force: true });
    throw new Error(`\`${[command, ...args].join(" ")}\` failed`);
  }
  return st;
}

/** Its exit code. Not waited for in one piece: the service's log has to be read meanwhile. */
async function run(command: string, args: string[]): Promise<number> {
  const [code] = (await once(spawn(command, args, { stdio: "inherit", cwd: folder }), "exit")) as [number | null];
  return code ?? 1;
}
