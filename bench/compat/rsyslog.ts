/** rsyslog as a receiver over TLS: every record is in its file, as it was sent. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Sink } from "../../src/audit/export/sink.js";
import type { ExportFormat } from "../../src/contract/export.js";
import { system } from "../../src/system/index.js";
import { streamPoster } from "../../src/system/stream_post.js";
import { SAMPLES, writeSegment } from "../../test/audit/export/records.js";
import { makeTlsFiles } from "../../test/tls_files.js";
import type { CompatOutcome } from "./row.js";

const RECORDS = 2000;
const WAIT_MS_MAX = 60_000;
const EVERY_MS = 50;
const MISSING_DRIVER = "could not load module 'lmnsd_gtls'";

export function rsyslogVersion(): string | null {
  const { status, stdout } = spawnSync("rsyslogd", ["-v"], { encoding: "utf8" });
  return status === 0 ? (/^rsyslogd\s+(\S+)/.exec(stdout)?.[1] ?? "") : null;
}

export async function byRsyslog(format: ExportFormat): Promise<CompatOutcome> {
  if (rsyslogVersion() === null) return { state: "skipped", detail: "no rsyslog" };
  const folder = mkdtempSync(join(tmpdir(), "remit-rsyslog-"));
  const certificate = makeTlsFiles(folder);
  if (certificate === null) return { state: "skipped", detail: "no openssl" };
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  const out = join(folder, "out.log");
  const key = join(folder, "key.pem");
  writeFileSync(
    join(folder, "rsyslog.conf"),
    `global(workDirectory="${folder}" maxMessageSize="128k" DefaultNetstreamDriverCAFile="${certificate.file}" DefaultNetstreamDriverCertFile="${certificate.file}" DefaultNetstreamDriverKeyFile="${key}")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="line" type="string" string="%app-name% %msg%\\n")
input(type="imtcp" port="${port}" address="127.0.0.1")
*.* action(type="omfile" file="${out}" template="line")
`,
  );
  const receiver = spawn("rsyslogd", ["-n", "-f", join(folder, "rsyslog.conf"), "-i", join(folder, "pid")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said: string[] = [];
  receiver.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const hasDriver = (): boolean => !said.join("").includes(MISSING_DRIVER);
  const log = join(folder, "log");
  const samples = Object.values(SAMPLES);
  writeSegment(log, 1, Array.from({ length: RECORDS }, (_, i) => samples[i % samples.length] ?? {})); // prettier-ignore
  const { post, close } = streamPoster(
    new URL(`syslog+tls://127.0.0.1:${port}`),
    { timeout_ms: 10_000, tls: { ca: certificate.file } },
    system,
  );
  let failed = "";
  const sink = new Sink(
    {
      ...{ name: "rsyslog", format, data: "record", gzip: false, from: "start", carrier: "syslog", batch_records_max: 500 },
      ...{ batch_bytes_max: 1_048_576, interval_ms: 10, retry_ms: 200, retry_max_ms: 1000 },
    },
    log,
    RECORDS,
    system,
    post,
    {
      failing: (detail) => (failed = detail),
      delivering: () => (failed = ""),
      setAside: (seq) => (failed = `record ${seq} is set aside`),
      missing: () => undefined,
      besideMissing: () => undefined,
      cursorDamaged: () => undefined,
      cursorUnwritable: () => undefined,
      moved: () => undefined,
    },
  );
  const ended = sink.run();
  const lines = (): number => (existsSync(out) ? readFileSync(out, "utf8").split("\n").length - 1 : 0);
  for (
    let waited = 0;
    hasDriver() && waited < WAIT_MS_MAX && (sink.status.delivered_seq < RECORDS || lines() < RECORDS);
    waited += EVERY_MS
  )
    await sleep(EVERY_MS);
  const { delivered_seq } = sink.status;
  sink.stop();
  close();
  await ended;
  receiver.kill();
  await once(receiver, "exit");
  const stored = lines();
  rmSync(folder, { recursive: true, force: true });
  if (!hasDriver()) return { state: "skipped", detail: "rsyslog has no driver for TLS here (rsyslog-gnutls)" };
  const whole = delivered_seq === RECORDS && stored === RECORDS;
  return whole
    ? { state: "green", detail: `${stored} of ${RECORDS} records are stored, each once` }
    : { state: "red", detail: `${stored} lines stored, ${delivered_seq} of ${RECORDS} acknowledged ${failed}` };
}
