/** `remit dev`: a policy set that is tested, built and served again after each change, with keys and an issuer for development alone. */
import { createPublicKey } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { buildBundle } from "../../bundle/build.js";
import { findOpa } from "../../bundle/opa.js";
import type { Service } from "../../service.js";
import { systemClock } from "../../system/index.js";
import { writeWhole } from "./sources.js";
import { COVERAGE_DEFAULT, watchTests } from "./test.js";
import type { Ui } from "../ui.js";

/** Beside the sources, and in no repository: keys, state and records of the service. */
export const DEV_FOLDER = ".remit";
const BUNDLE = "bundle.tar.gz";

const EXAMPLES = `
Examples:
  $ remit dev my-policies
  $ remit token                 # in another terminal: a token for the service that it runs
  $ remit dev --no-serve        # a service of yours follows .remit/bundle.tar.gz, by .remit/bundle.pub.pem`;

export function addDev(program: Command, ui: Ui): void {
  program
    .command("dev")
    .description("test, build and serve a set again after each change; for development alone")
    .argument("[folder]", "of the policy set", ".")
    .option("--filter <text>", "only cases and tests whose name contains this")
    .option("--port <number>", "of the service", port, 8181)
    .option("--no-serve", "build the bundle for a service that runs elsewhere")
    .addHelpText("after", EXAMPLES)
    .action(async (folder: string, options: { filter?: string; port: number; serve: boolean }) => {
      const opa = await findOpa();
      const { developmentKey, makeSandbox } = await import("../../service/sandbox.js");
      const name = basename(resolve(folder));
      const dir = join(folder, DEV_FOLDER);
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const key = developmentKey(join(dir, "bundle.pem"));
      const publicKey = join(dir, "bundle.pub.pem");
      if (!existsSync(publicKey)) writeFileSync(publicKey, createPublicKey(key).export({ type: "spki", format: "pem" }));
      let service: Service | null = null;
      let last = 0;
      const built = async (): Promise<void> => {
        const builtMs = systemClock.wall();
        // Trust only moves forward: a second that has two builds still tells them apart.
        last = Math.max(Math.floor(builtMs / 1000), last + 1);
        const options_ = { dir: folder, key, sequence: last, expiresMs: null, builtMs, commit: null, name };
        await writeWhole(join(dir, BUNDLE), (await buildBundle(opa, options_)).archive);
        ui.out(`${ui.paint("bold", join(dir, BUNDLE))}  sequence ${last}`);
        if (!options.serve || service !== null) return;
        const { config } = makeSandbox({
          dir,
          bundle: { name, path: BUNDLE, keys: ["bundle.pub.pem"], poll_ms: 200 },
          port: options.port,
          learns: false,
        });
        service = await serve(config);
        ui.out(`serving at ${service.url}; \`remit token\` in ${folder} prints a token for it`);
      };
      try {
        await watchTests(opa, folder, { coverage: COVERAGE_DEFAULT, ...options }, ui, built);
      } finally {
        await (service as Service | null)?.stop();
      }
    });
}

async function serve(file: string): Promise<Service> {
  const [{ startService }, { readConfig }, { system }, { logger }] = await Promise.all([
    import("../../service.js"),
    import("../../system/config.js"),
    import("../../system/index.js"),
    import("../../system/logger.js"),
  ]);
  return await startService(readConfig(file), system, logger(system.clock));
}

function port(text: string): number {
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number > 65_535) throw new InvalidArgumentError("not a port from 0 to 65535.");
  return number;
}
