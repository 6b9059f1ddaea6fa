/**
 * What exporting costs: each form by itself over a log of real records, and the service with a sink that takes all, with one that
 * is dead, and with none, in turns.
 */
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { freePort } from "../demo/ports.js";
import { encode, type FormatOptions } from "../src/audit/export/formats.js";
import { RecordSource, writerAt } from "../src/audit/export/source.js";
import { EXPORT_FORMATS } from "../src/contract/export.js";
import { judge, type Mark } from "./client.js";
import { measure, median, medians, rssMb, type Measured } from "./measure.js";
import { AS_JSON, readOptions } from "./options.js";
import { Processes } from "./processes.js";
import { sandboxIn, serveRemit, type RemitServer } from "./servers.js";

const { records, seconds, repeats, json } = readOptions("export", {
  about: "Measures what exporting records costs, by itself and beside decisions.",
  options: {
    records: { says: "records to encode", default: 50_000, least: 1 },
    seconds: { says: "seconds of each measurement", default: 3, least: 0.1 },
    repeats: { says: "repeats", default: 3, least: 1 },
    json: AS_JSON,
  },
  examples: ["", "--records 5000 --repeats 1"],
});
const FORMS: FormatOptions[] = [
  ...EXPORT_FORMATS.map((format): FormatOptions => ({ format, data: "record" })),
  { format: "cloudevents", data: "ocsf" },
];
const CONNECTIONS = 64;
const WARM_SECONDS = 1;

const processes = new Processes();
/** Takes whatever comes, on the core that measures. */
let taken = 0;
const sink = createServer((request, response) => {
  request.on("data", (chunk: Buffer) => (taken += chunk.length));
  request.on("end", () => {
    response.writeHead(204).end();
  });
}).listen(0, "127.0.0.1");
await once(sink, "listening");

try {
  const url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/logs`;
  const servers = {
    none: await serving("none", null),
    sink: await serving("sink", url),
    dead: await serving("dead", `http://127.0.0.1:${await freePort()}/logs`),
  };
  type Name = keyof typeof servers;
  const names = Object.keys(servers) as Name[];
  for (const name of names) await measure(processes, servers[name], { connections: CONNECTIONS, seconds: WARM_SECONDS });
  const found: Record<Name, Measured[]> = { none: [], sink: [], dead: [] };
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const name of names) {
      found[name].push(await measure(processes, servers[name], { connections: CONNECTIONS, seconds }));
      process.stderr.write(".");
    }
  }
  process.stderr.write("\n");
  const rate = ({ requests, seconds: took }: Measured): number => requests / took;
  const ratio = (name: Name): number => median(found[name].map((one, i) => rate(one) / rate(found.none[i] ?? one)));
  const { none, sink: taking, dead } = { none: medians(found.none), sink: medians(found.sink), dead: medians(found.dead) };
  const rows = [
    shown("decisions/s with a sink, of those without", ratio("sink"), "×"),
    shown("decisions/s with a dead sink, of those without", ratio("dead"), "×"),
    shown("decisions/s without a sink", rate(none), "/s"),
    shown("p99 without a sink", none.p99, "ms"),
    shown("p99 with a sink", taking.p99, "ms"),
    shown("p99 with a dead sink", dead.p99, "ms"),
    shown("CPU a decision without a sink", none.cpu_us, "µs"),
    shown("CPU a decision with a sink", taking.cpu_us, "µs"),
    shown("CPU a decision with a dead sink", dead.cpu_us, "µs"),
    shown("memory without a sink", rssMb(servers.none.process), "MB"),
    shown("memory with a sink", rssMb(servers.sink.process), "MB"),
    shown("memory with a dead sink", rssMb(servers.dead.process), "MB"),
    shown("taken by the sink meanwhile", taken / 1e6, "MB"),
  ];
  for (const one of Object.values(servers)) await processes.stop(one.process);
  judge([...rows, ...forms(join(processes.folder, "none", "records"))], json);
} finally {
  sink.close();
  sink.closeAllConnections();
  await processes.stopAll();
}

async function serving(name: string, url: string | null): Promise<RemitServer> {
  const sandbox = await sandboxIn(join(processes.folder, name));
  const config = parse(readFileSync(sandbox.config, "utf8")) as Record<string, unknown>;
  if (url !== null) config["export"] = [{ name: "bench", url, format: "json_lines" }];
  writeFileSync(sandbox.config, stringify(config));
  return serveRemit(processes, name, sandbox, fileURLToPath(new URL("../src/cli/main.js", import.meta.url)));
}

/** Each form over the same records, in this thread, from the disk to the event's bytes. */
function forms(folder: string): Mark[] {
  return FORMS.flatMap((form) => {
    const source = new RecordSource(folder, writerAt(folder, 0), { besideMissing: () => undefined });
    const before = process.cpuUsage();
    const began = performance.now();
    let [count, bytes] = [0, 0];
    for (const line of source.lines({ seq: 0, at: null }, records)) {
      bytes += encode(line.bytes, line.read, form)?.length ?? 0;
      count++;
    }
    const took = performance.now() - began;
    const { user, system } = process.cpuUsage(before);
    source.close();
    const name = form.data === "ocsf" ? `${form.format} of ocsf` : form.format;
    return [
      shown(`${name}: records/s`, (count * 1000) / took, "/s"),
      shown(`${name}: CPU a record`, (user + system) / count, "µs"),
      shown(`${name}: an event`, bytes / count, "bytes"),
    ];
  });
}

function shown(figure: string, found: number, unit: string): Mark {
  return { figure, found, unit, most: null };
}
