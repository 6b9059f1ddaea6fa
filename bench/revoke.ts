/**
 * Revocations against decisions, in full: a service by itself, connections that ask without pause for an agent and for a task
 * that it handed on, one by one and in batches, while it is revoked and restored.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../demo/ports.js";
import { makeSandbox } from "../demo/sandbox.js";
import { asset } from "../src/system/paths.js";
import { KEY, NAME, bundleBytes, publicPem } from "../test/bundle/support.js";
import { race } from "../test/revocation/races.js";
import { judge, quantile } from "./client.js";
import { syncMs } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes, answers } from "./processes.js";

const { races, connections, json } = readOptions("revoke", {
  about: "Races revocations against decisions.",
  options: {
    races: { says: "races", default: 1_000_000, least: 1 },
    connections: { says: "connections at once", default: 64, least: 1 },
    json: AS_JSON,
  },
  examples: ["--races 10000"],
});

const processes = new Processes();
const dir = join(processes.folder, "remit");
mkdirSync(dir);
writeFileSync(join(dir, "races.tar.gz"), await bundleBytes({ expires: null }));
writeFileSync(join(dir, "races.pem"), publicPem(KEY));
const port = await freePort();
const sandbox = makeSandbox({
  dir,
  bundle: { name: NAME, path: join(dir, "races.tar.gz"), keys: [join(dir, "races.pem")] },
  facts: "agents: {}\n",
  port,
});
processes.start("remit", "measured", process.execPath, [asset("dist", "src", "cli", "main.js"), ...["serve", "--config", sandbox.config]]);
await answers(`http://127.0.0.1:${port}/readyz`);

try {
  const raced = await race({
    host: "127.0.0.1",
    port,
    token: sandbox.token("bench", ["remit:decide", "remit:register", "remit:revoke", "remit:revoke_all"]),
    connections,
    races,
    progress: (done) => process.stderr.write(`\r${done} of ${races} races  `),
  });
  process.stderr.write("\n");
  for (const violation of raced.violations) process.stderr.write(`${violation}\n`);
  const { denied_ms, acknowledged_ms } = raced;
  judge(
    [
      { figure: "revocations", found: raced.windows, unit: "", most: null },
      { figure: "decisions under way while one was made", found: raced.races, unit: "", most: null, least: races },
      {
        figure: "allows begun or finished after an acknowledgement",
        found: raced.violations.length,
        unit: "",
        most: 0,
      },
      { figure: "decisions after an acknowledgement, fewest", found: raced.after_least, unit: "", most: null, least: 100 },
      { figure: "decisions in all", found: raced.decisions, unit: "", most: null },
      { figure: "of them allowed", found: raced.allowed, unit: "", most: null },
      { figure: "load", found: raced.decisions / raced.seconds, unit: "decisions/s", most: null },
      { figure: "one sync of this disk", found: syncMs(processes.folder), unit: "ms", most: null },
      { figure: "from sending to the first deny, p50", found: quantile(denied_ms, 0.5), unit: "ms", most: null },
      { figure: "from sending to the first deny, p99", found: quantile(denied_ms, 0.99), unit: "ms", most: null },
      { figure: "from sending to the first deny, p99.9", found: quantile(denied_ms, 0.999), unit: "ms", most: null },
      { figure: "from sending to the acknowledgement, p50", found: quantile(acknowledged_ms, 0.5), unit: "ms", most: null },
      { figure: "from sending to the acknowledgement, p99", found: quantile(acknowledged_ms, 0.99), unit: "ms", most: null },
      { figure: "from sending to the acknowledgement, p99.9", found: quantile(acknowledged_ms, 0.999), unit: "ms", most: null },
    ],
    json,
  );
} finally {
  await processes.stopAll();
}
