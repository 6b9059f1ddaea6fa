/** A topic of a real broker as a sink. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { parse, stringify } from "yaml";
import { readFileSync } from "node:fs";
import { cursorFile, readCursor } from "../../../src/audit/export/cursor.js";
import { KAFKA_BYTES_MAX, kafkaPoster, type KafkaOptions, type KafkaPostOptions } from "../../../src/audit/export/kafka.js";
import type { Sink, SinkOptions } from "../../../src/audit/export/sink.js";
import { system } from "../../../src/system/index.js";
import { REQUEST } from "../../http/running.js";
import { Broker, FETCH_MS_MAX, fetchKafka, kafkaLacks } from "../../kafka/broker.js";
import { Child, placeIn } from "../../service/child.js";
import { skip } from "../../skip.js";
import { makeTlsFiles, type TlsFiles } from "../../tls_files.js";
import { temporaryDirectory } from "../temporary.js";
import { beginSink, type BegunSink } from "./begun_sink.js";
import { SAMPLES, writeSegment } from "./records.js";
import { FAST, recordsIn, until } from "./service_support.js";

type Json = Record<string, unknown>;

const PASSWORD = "correct horse";

describe("a topic of Kafka as a sink", function () {
  this.timeout(FETCH_MS_MAX);
  const parent = temporaryDirectory();
  let broker: Broker;
  let isThere = false;
  let certificate: TlsFiles | null = null;
  let running: BegunSink | null = null;
  let said: string[] = [];
  let logs = 0;
  let folder = "";
  let topic = "";

  before(async function () {
    const lacks = kafkaLacks();
    if (lacks !== null) skip(this, lacks);
    let archives = "";
    try {
      archives = await fetchKafka();
    } catch {
      skip(this, "Kafka can't be fetched");
    }
    certificate = makeTlsFiles(parent);
    isThere = true;
    broker = new Broker(archives, join(parent, "broker"), certificate && { certificate, username: "remit", password: PASSWORD });
    await broker.start();
  });
  after(async () => {
    if (isThere) await broker.kill();
  });
  beforeEach(async () => {
    folder = join(parent, `log-${++logs}`);
    topic = `records-${logs}`;
    said = [];
    await broker.createTopic(topic);
  });
  afterEach(async () => {
    await running?.end();
    running = null;
  });

  function write(records: number, members: (i: number) => Json = () => ({})): number {
    writeSegment(folder, 1, Array.from({ length: records }, (_, i) => ({ ...SAMPLES["outcome done"], amount: i, ...members(i) }))); // prettier-ignore
    return records;
  }

  function begin(
    records: number,
    kafka: Partial<KafkaOptions> = {},
    options: Partial<SinkOptions> = {},
    post: Partial<KafkaPostOptions> = {},
  ): Sink {
    const to = { brokers: [broker.address], topic, ...kafka };
    const { each, close } = kafkaPoster(to, { timeout_ms: 3000, format: "json_lines", gzip: false, ...post }, system);
    const sinkOptions: SinkOptions = {
      ...{ name: "siem", format: "json_lines", data: "record", gzip: false, from: "start" },
      ...{ batch_records_max: 100, batch_bytes_max: KAFKA_BYTES_MAX, interval_ms: 5, retry_ms: 20, retry_max_ms: 100 },
      ...options,
    };
    running = beginSink(sinkOptions, { folder, records, said }, { transport: { each }, close });
    return running.sink;
  }

  const delivered = (sink: Sink, seq: number): Promise<void> => until(() => sink.status.delivered_seq === seq, () => said); // prettier-ignore
  const seqsIn = async (of = topic): Promise<number[]> =>
    (await broker.read(of)).map(({ value }) => (JSON.parse(value) as Json)["seq"] as number);
  const whole = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
  const acknowledged = (): number => readCursor(cursorFile(folder, "siem"))?.seq ?? 0;

  it("has every record once and in the log's order, with its number and form, as Kafka's own consumer reads it", async () => {
    await delivered(begin(write(1234)), 1234);
    const messages = await broker.read(topic);
    expect(messages.map(({ value }) => (JSON.parse(value) as Json)["seq"])).to.deep.equal(whole(1234));
    expect(new Set(messages.map(({ partition, key }) => `${partition} ${key}`)).size).to.equal(1);
    expect(messages[6]).to.deep.include({ headers: "content-type:application/json;remit-record:7", key: "remit" });
    expect(said).to.deep.equal([]);
  });

  it("takes the other forms, compressed as well", async () => {
    write(5);
    await delivered(begin(5, {}, { format: "cloudevents", gzip: true }, { format: "cloudevents", gzip: true }), 5);
    const [first] = await broker.read(topic);
    expect(first?.headers).to.include("content-type:application/cloudevents+json; charset=UTF-8");
    expect(JSON.parse(first?.value ?? "")).to.include({ specversion: "1.0", id: "1" });
  });

  it("waits for a topic that isn't there, and says which", async () => {
    const sink = begin(write(3), { topic: "later" });
    // A broker on a busy machine may first answer too late.
    await until(() => sink.status.failures > 1 && said.includes("Unknown topic later."), () => said); // prettier-ignore
    expect(acknowledged()).to.equal(0);
    await broker.createTopic("later");
    await delivered(sink, 3);
    expect(await seqsIn("later")).to.deep.equal([1, 2, 3]);
  });

  it("sets aside only the record that a broker never takes", async () => {
    topic = "narrow";
    await broker.createTopic(topic, { "max.message.bytes": "4000" });
    write(20, (i) => (i === 9 ? { detail: "x".repeat(6000) } : {}));
    await delivered(begin(20), 20);
    expect(said).to.deep.equal(["set aside 10: status 413"]);
    expect(await seqsIn()).to.deep.equal(whole(20).filter((seq) => seq !== 10));
  });

  it("loses nothing that was acknowledged while the broker is killed, stands still, and comes back", async () => {
    const records = write(3000);
    const sink = begin(records, {}, { batch_records_max: 20 }, { timeout_ms: 1500 });
    for (const stop of ["kill", "pause", "kill"] as const) {
      const before = acknowledged();
      await until(() => acknowledged() > before + 40, () => said); // prettier-ignore
      if (stop === "kill") await broker.kill();
      else broker.pause();
      const failures = sink.status.failures;
      await until(() => sink.status.failures > failures, () => [stop, said]); // prettier-ignore
      const stood = acknowledged();
      await sleep(100);
      expect(acknowledged(), stop).to.equal(stood);
      if (stop === "kill") await broker.start();
      else broker.resume();
    }
    await delivered(sink, records);
    const seqs = await seqsIn();
    expect([...new Set(seqs)].sort((a, b) => a - b)).to.deep.equal(whole(records));
    // Again only from what wasn't acknowledged.
    expect(seqs.length).to.be.below(records + 6 * 20 + 1);
    expect(said.filter((text) => text.startsWith("set aside"))).to.deep.equal([]);
  });

  it("is signed in to over TLS from an authority of its own, and gets nothing with another password or authority", async function () {
    if (certificate === null) skip(this, "no openssl");
    write(5);
    const password_file = join(parent, "password");
    const sasl = { mechanism: "PLAIN", username: "remit", password_file } as const;
    const secure = { brokers: [broker.secureAddress], sasl };
    for (const [given, tls, says] of [
      ["wrong", { ca: certificate.file }, /authentication|credentials/i],
      [PASSWORD, {}, /self.signed certificate|unable to verify/],
    ] as const) {
      writeFileSync(password_file, given);
      said = [];
      const refused = begin(5, secure, {}, { tls });
      // On a busy machine some tries get no answer in time; each that gets one is refused.
      await until(() => said.some((text) => says.test(text)), () => said); // prettier-ignore
      expect(refused.status.failures).to.be.above(0);
      expect(acknowledged()).to.equal(0);
      await running?.end();
    }
    writeFileSync(password_file, "wrong");
    const sink = begin(5, secure, {}, { tls: { ca: certificate.file } });
    await until(() => sink.status.failures > 0);
    // A password that is renewed is taken by itself.
    writeFileSync(password_file, `${PASSWORD}\n`);
    await delivered(sink, 5);
    expect(await seqsIn()).to.deep.equal(whole(5));
  });

  it("says why an address isn't a broker's, and goes on", async () => {
    const sink = begin(write(3), { brokers: ["127.0.0.1:1"] });
    await until(() => sink.status.failures > 1, () => said); // prettier-ignore
    expect(said[0]).to.include("ECONNREFUSED");
    expect(acknowledged()).to.equal(0);
  });

  it("gets the records of a service that is killed meanwhile", async () => {
    const place = placeIn(temporaryDirectory());
    const config = parse(readFileSync(place.config, "utf8")) as Json;
    const sink = { name: "siem", kafka: { brokers: [broker.address], topic }, format: "json_lines", ...FAST, batch_records_max: 7 };
    writeFileSync(place.config, stringify({ ...config, export: [sink] }));
    mkdirSync(folder);
    for (let kill = 0; kill < 3; kill++) {
      const child = new Child(place);
      await child.ready();
      const until_ms = performance.now() + 700;
      while (performance.now() < until_ms) await child.ask("POST", "/decide", { body: REQUEST });
      await child.kill();
    }
    const last = new Child(place);
    await last.ready();
    const log = recordsIn(place.records);
    await until(() => (readCursor(cursorFile(place.records, "siem"))?.seq ?? 0) >= log.length);
    await last.kill();
    const seqs = [...new Set(await seqsIn())].sort((a, b) => a - b);
    expect(seqs.slice(0, log.length)).to.deep.equal(whole(log.length));
  });
});
