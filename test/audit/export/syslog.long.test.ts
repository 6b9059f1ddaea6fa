/** Syslog over real connections: what a receiver does to them, and what the cursor then says. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { cursorFile, readCursor } from "../../../src/audit/export/cursor.js";
import type { Sink, SinkOptions } from "../../../src/audit/export/sink.js";
import { system } from "../../../src/system/index.js";
import { streamPoster, type StreamPostOptions } from "../../../src/system/stream_post.js";
import { skip } from "../../skip.js";
import { makeTlsFiles, type TlsFiles } from "../../tls_files.js";
import { temporaryDirectory } from "../temporary.js";
import { beginSink, type BegunSink } from "./begun_sink.js";
import { SAMPLES, writeSegment } from "./records.js";
import { until } from "./service_support.js";
import { SyslogReceiver, parseSyslog, type Manner } from "./syslog_support.js";

type Json = Record<string, unknown>;

describe("a receiver of syslog as a sink", () => {
  const parent = temporaryDirectory();
  let certificate: TlsFiles | null = null;
  let client: TlsFiles | null = null;
  let receiver: SyslogReceiver;
  let running: BegunSink | null = null;
  let logs = 0;
  let folder = "";
  let said: string[] = [];

  before(() => {
    if (spawnSync("openssl", ["version"]).status !== 0) return;
    [certificate, client] = ["server", "client"].map((name) => {
      mkdirSync(join(parent, name));
      return makeTlsFiles(join(parent, name));
    }) as [TlsFiles | null, TlsFiles | null];
  });
  beforeEach(() => {
    folder = join(parent, `log-${++logs}`);
    said = [];
  });
  afterEach(async () => {
    await running?.end();
    running = null;
    await receiver.stop();
  });

  const receiving = async (of: SyslogReceiver): Promise<void> => {
    receiver = of;
    await of.start();
  };

  /** A sink as the thread that exports makes it. */
  function begin(records: number, options: Partial<SinkOptions> = {}, post: Partial<StreamPostOptions> = {}): Sink {
    if (said.length === 0 && logs > 0)
      writeSegment(
        folder,
        1,
        Array.from({ length: records }, (_, i) => ({ ...SAMPLES["outcome done"], amount: i })),
      );
    const { post: send, close } = streamPoster(new URL(receiver.url), { timeout_ms: 300, ...post }, system);
    const sinkOptions: SinkOptions = {
      ...{ name: "siem", format: "syslog", data: "record", gzip: false, from: "start", carrier: "syslog" },
      ...{ batch_records_max: 10, batch_bytes_max: 1_048_576, interval_ms: 5, retry_ms: 10, retry_max_ms: 20 },
      ...options,
    };
    running = beginSink(sinkOptions, { folder, records, said }, { transport: send, close });
    return running.sink;
  }

  const seqsOf = (): number[] => receiver.messages.map((message) => (JSON.parse(parseSyslog(message).text) as Json)["seq"] as number);
  const acknowledged = (): number => readCursor(cursorFile(folder, "siem"))?.seq ?? 0;
  const whole = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

  it("gets every record in order, each once, in messages that it can count", async () => {
    await receiving(new SyslogReceiver());
    const sink = begin(57);
    await until(
      () => sink.status.delivered_seq === 57,
      () => said,
    );
    expect(seqsOf()).to.deep.equal(whole(57));
    expect([receiver.faults, said, receiver.connections]).to.deep.equal([[], [], 6]);
  });

  for (const manner of ["stalls", "ends at once", "drops", "resets", "lingers"] satisfies Manner[])
    it(`acknowledges nothing while it ${manner}, and gets all of it afterwards`, async () => {
      await receiving(new SyslogReceiver());
      receiver.manner = manner;
      const sink = begin(25);
      await until(
        () => sink.status.failures >= 3,
        () => said,
      );
      expect(acknowledged()).to.equal(0);
      expect(said[0]).to.match(/ended the connection|was closed|ECONNRESET|EPIPE|hasn't taken all of it within 300 ms/);
      receiver.manner = "reads";
      await until(
        () => sink.status.delivered_seq === 25,
        () => said,
      );
      expect([...new Set(seqsOf())].sort((a, b) => a - b)).to.deep.equal(whole(25));
      expect(said.at(-1)).to.equal("delivering");
      expect(said.some((text) => text.startsWith("set aside"))).to.be.false;
    });

  it("loses nothing that was acknowledged and gets the rest, while it and the sender are restarted", async () => {
    await receiving(new SyslogReceiver());
    const records = 400;
    begin(records, { batch_records_max: 5 });
    for (let round = 0; round < 6; round++) {
      await sleep(60 + 35 * round);
      if (round % 2 === 0) {
        await receiver.stop();
        const reached = acknowledged();
        expect(seqsOf()).to.include.members(whole(reached));
        await receiver.start();
      } else {
        await running?.end();
        said = ["restarted"];
        begin(records, { batch_records_max: 5 });
      }
    }
    await until(
      () => running?.sink.status.delivered_seq === records,
      () => said,
    );
    expect([...new Set(seqsOf())].sort((a, b) => a - b)).to.deep.equal(whole(records));
    // In order, and again only from what wasn't acknowledged.
    let highest = 0;
    for (const seq of seqsOf()) {
      expect(seq)
        .to.be.above(highest - 6)
        .and.at.most(highest + 1);
      highest = Math.max(highest, seq);
    }
  });

  it("gets them over TLS from an authority of its own, and nothing if it isn't the one that is trusted", async function () {
    if (certificate === null || client === null) skip(this, "no openssl");
    await receiving(new SyslogReceiver({ cert: certificate.cert, key: certificate.key }));
    const untrusting = begin(5);
    await until(() => untrusting.status.failures > 1);
    expect(said[0]).to.match(/self.signed certificate|unable to verify/);
    expect([acknowledged(), receiver.messages.length]).to.deep.equal([0, 0]);
    await running?.end();
    said = ["again"];
    begin(5, {}, { tls: { ca: client.file } });
    await until(() => said.length > 1);
    await running?.end();
    expect([acknowledged(), receiver.messages.length]).to.deep.equal([0, 0]);
    const trusting = begin(5, {}, { tls: { ca: certificate.file } });
    await until(
      () => trusting.status.delivered_seq === 5,
      () => said,
    );
    expect(seqsOf()).to.deep.equal(whole(5));
  });

  it("acknowledges nothing over TLS while it ends connections unread, or never ends them", async function () {
    if (certificate === null) skip(this, "no openssl");
    await receiving(new SyslogReceiver({ cert: certificate.cert, key: certificate.key }));
    for (const manner of ["ends at once", "lingers"] satisfies Manner[]) {
      receiver.manner = manner;
      const sink = begin(5, {}, { tls: { ca: certificate.file } });
      await until(
        () => sink.status.failures >= 2,
        () => [manner, said],
      );
      expect(acknowledged(), manner).to.equal(0);
      await running?.end();
      said = [...said, manner];
    }
  });

  it("may want a certificate of the service's own", async function () {
    if (certificate === null || client === null) skip(this, "no openssl");
    const [ca, key] = [certificate.file, join(parent, "client", "key.pem")];
    await receiving(
      new SyslogReceiver({ cert: certificate.cert, key: certificate.key, ca: client.cert, requestCert: true, rejectUnauthorized: true }),
    );
    const anonymous = begin(5, {}, { tls: { ca } });
    await until(() => anonymous.status.failures > 1);
    expect(acknowledged()).to.equal(0);
    await running?.end();
    said = ["again"];
    const known = begin(5, {}, { tls: { ca, cert: client.file, key } });
    await until(
      () => known.status.delivered_seq === 5,
      () => said,
    );
    expect(seqsOf()).to.deep.equal(whole(5));
  });

  it("names a certificate that can't be read, and goes on once it can", async () => {
    await receiving(new SyslogReceiver({}));
    const sink = begin(5, {}, { tls: { ca: join(folder, "missing.pem") } });
    await until(() => sink.status.failures > 0);
    expect(said[0]).to.include("missing.pem");
  });
});
