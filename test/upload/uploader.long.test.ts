import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { SearchEngine } from "../../src/records/engine.js";
import { system } from "../../src/system/index.js";
import { Uploader, type UploaderOptions, type UploadStatus } from "../../src/upload/uploader.js";
import { until } from "../audit/export/service_support.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { Folders } from "../records/asked.js";
import { KEYS, REGION, sha256, Storage, type Fault } from "./storage.js";

const CREDENTIALS = `[default]\naws_access_key_id = ${KEYS.id}\naws_secret_access_key = ${KEYS.secret}\n`;
const MIDNIGHT = Date.UTC(2026, 10, 26);

describe("a bucket that gets the files of sealed segments", function () {
  const root = temporaryDirectory();
  const folders = new Folders();
  const original = join(root, "log");
  const credentials = join(root, "credentials");
  let folder: string;
  let storage: Storage;
  let running: { uploader: Uploader; ended: Promise<void> }[] = [];
  let said: string[] = [];

  before(async () => {
    // Clocks go back and forth: some files are of two days.
    const { folder: made } = folders.with(1_200, { segment_bytes: 200_000, start_ms: MIDNIGHT + 2_000 });
    folders.close(await folders.caughtUp(made));
    cpSync(made, original, { recursive: true });
  });
  after(() => {
    folders.clear();
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(root, "copy-"));
    cpSync(original, folder, { recursive: true, preserveTimestamps: true });
    writeFileSync(credentials, CREDENTIALS);
    storage = new Storage();
    await storage.start();
    said = [];
  });
  afterEach(async () => {
    await stop();
    await storage.stop();
    for (const text of said) for (const secret of [KEYS.id, KEYS.secret]) expect(text).not.to.contain(secret);
  });

  async function stop(): Promise<void> {
    for (const { uploader } of running) uploader.stop();
    await Promise.all(running.map(({ ended }) => ended));
    running = [];
  }
  function start(more: Partial<UploaderOptions> = {}): Uploader {
    const options = { name: "lake", url: storage.url, region: REGION, credentials_file: credentials, by_day: false };
    const fast = { interval_ms: 20, timeout_ms: 5000, retry_ms: 10, retry_max_ms: 40 };
    const uploader = new Uploader({ ...options, ...fast, ...more }, folder, system, {
      failing: (detail) => said.push(detail),
      recovered: () => said.push("recovered"),
    });
    running.push({ uploader, ended: uploader.run() });
    return uploader;
  }
  const status = (): UploadStatus => (running.at(-1) as (typeof running)[number]).uploader.status;
  /** Runs until nothing waits, and for some looks more, so that what is sent again would be. */
  async function uploaded(more: Partial<UploaderOptions> = {}): Promise<void> {
    start(more);
    await whole();
    await stop();
  }
  async function whole(): Promise<void> {
    await until(
      () => storage.objects.size > 0 && status().waiting === 0 && status().failing_s === 0,
      () => [status(), said],
    );
    await new Promise((resolve) => setTimeout(resolve, 70));
  }
  const fileNames = (): string[] =>
    readdirSync(join(folder, "records", "parquet"))
      .filter((name) => name.endsWith(".parquet"))
      .sort();
  const fileOf = (name: string): string => join(folder, "records", "parquet", name);
  const noted = (name: string): string => fileOf(name.replace("parquet", "json"));
  /** By key, as the bucket should have it. */
  const expected = (): Record<string, string> => Object.fromEntries(fileNames().map((name) => [name, sha256(readFileSync(fileOf(name)))]));
  const stored = (): Record<string, string> =>
    Object.fromEntries([...storage.objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { bytes }]) => [key, sha256(bytes)]));
  const forget = (): void => {
    rmSync(join(folder, "export", "lake.uploaded"));
  };

  it("has each of them byte for byte, the first first, and is sent none twice", async () => {
    expect(fileNames()).to.have.lengthOf.above(2);
    await uploaded();
    expect(stored()).to.deep.equal(expected());
    expect(storage.puts).to.deep.equal(fileNames().map((name) => `PUT /audit/remit/${name}`));
    expect(storage.forged).to.equal(0);
    expect(said).to.deep.equal([]);
    const asked = storage.asked.length;
    await uploaded();
    expect(storage.asked).to.have.lengthOf(asked);
  });

  it("is asked, and sent nothing, if what it was sent is forgotten or damaged here", async () => {
    await uploaded();
    const puts = storage.puts.length;
    forget();
    await uploaded();
    writeFileSync(join(folder, "export", "lake.uploaded"), `flat ${storage.url}\n0000000000000001 ${"0".repeat(64)}\n\0\0\n00000`);
    await uploaded();
    expect(storage.puts).to.have.lengthOf(puts);
    expect(storage.asked).to.have.lengthOf(2 * puts + 3 * puts);
    // The mended file serves the next start.
    await uploaded();
    expect(storage.asked).to.have.lengthOf(5 * puts);
  });

  it("is sent everything if it is another one under the same name", async () => {
    await uploaded();
    const first = stored();
    storage.objects.clear();
    await uploaded({ url: `${storage.url}/` });
    expect(stored()).to.deep.equal(first);
  });

  const others: [how: string, act: (bytes: Buffer) => { bytes: Buffer; digest: string }][] = [
    ["half of it", (bytes) => ({ bytes: bytes.subarray(0, bytes.length / 2), digest: sha256(bytes) })],
    ["other bytes of its length", (bytes) => ({ bytes: Buffer.alloc(bytes.length), digest: sha256(Buffer.alloc(bytes.length)) })],
    ["a file that somebody else put there", () => ({ bytes: Buffer.from("PAR1"), digest: "undefined" })],
  ];
  for (const [how, act] of others) {
    it(`is sent a file again of which it has ${how}`, async () => {
      const [name = ""] = fileNames();
      storage.objects.set(name, act(readFileSync(fileOf(name))));
      await uploaded();
      expect(stored()).to.deep.equal(expected());
    });
  }

  it("is sent a file again that was made again differently, while the service runs or doesn't", async () => {
    const [first = "", second = ""] = fileNames();
    const change = (name: string): void => {
      appendFileSync(fileOf(name), "\0");
      const bytes = readFileSync(fileOf(name));
      const note = JSON.parse(readFileSync(noted(name), "utf8")) as object;
      writeFileSync(noted(name), JSON.stringify({ ...note, parquet_bytes: bytes.length, parquet_digest: sha256(bytes) }));
    };
    await uploaded();
    change(first);
    await uploaded();
    expect(stored()).to.deep.equal(expected());
    start();
    await whole();
    change(second);
    await until(() => stored()[second] === expected()[second]);
    expect(storage.puts).to.have.lengthOf(fileNames().length + 2);
  });

  it("isn't sent a file that isn't what was made from the segment", async () => {
    const [first = "", second = "", ...more] = fileNames();
    const bytes = readFileSync(fileOf(first));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(fileOf(first), bytes);
    rmSync(noted(second));
    start();
    await until(() => storage.objects.size === more.length);
    await new Promise((resolve) => setTimeout(resolve, 70));
    expect(Object.keys(stored())).to.deep.equal(more);
    expect(status()).to.include({ waiting: 2, sent: more.length });
  });

  it("isn't sent what retention dropped while it was away, nor a file that outlived its segment", async () => {
    const [first = "", second = "", ...more] = fileNames();
    storage.fault = (_request, response) => {
      response.writeHead(500).end();
      return false;
    };
    start();
    await until(() => status().failures > 1);
    const segment = (name: string): string => join(folder, name.replace("parquet", "jsonl"));
    rmSync(segment(first));
    for (const path of [segment(second), fileOf(second), noted(second)]) rmSync(path);
    storage.fault = () => true;
    await until(() => storage.objects.size === more.length);
    await whole();
    expect(Object.keys(stored())).to.deep.equal(more);
  });

  it("isn't sent the segment that the log goes on in", async () => {
    const [first = ""] = fileNames();
    const open = readdirSync(folder)
      .filter((name) => /^\d{16}\.jsonl$/.test(name))
      .sort()
      .at(-1);
    const name = `${open?.slice(0, 16) ?? ""}.parquet`;
    cpSync(fileOf(first), fileOf(name));
    cpSync(noted(first), noted(name));
    await uploaded();
    expect(Object.keys(stored())).not.to.include(name);
  });

  it("lays them out by day when asked to: each record is in the folder of its day, once", async () => {
    await uploaded({ by_day: true });
    const keys = Object.keys(stored());
    expect(new Set(keys.map((key) => key.split("/")[0]))).to.deep.equal(new Set(["date=2026-11-25", "date=2026-11-26"]));
    expect(keys.length).to.be.above(fileNames().length);
    const lake = join(root, "lake");
    for (const [key, { bytes }] of storage.objects) {
      mkdirSync(join(lake, dirname(key)), { recursive: true });
      writeFileSync(join(lake, key), bytes);
    }
    const engine = await SearchEngine.open({ memory_mb_max: 200, query_ms_max: 10_000 });
    const figures = `count(*)::INTEGER AS records, count(DISTINCT seq)::INTEGER AS distinct_records, sum(hash(r))::VARCHAR AS content`;
    const columns = "COLUMNS(* EXCLUDE (date))";
    const [there] = await engine.rows(
      `SELECT ${figures} FROM (SELECT ${columns} FROM read_parquet('${lake}/*/*.parquet', hive_partitioning = true)) AS r`,
    );
    const [here] = await engine.rows(`SELECT ${figures} FROM read_parquet('${folder}/records/parquet/*.parquet') AS r`);
    const [strange] = await engine.rows(
      `SELECT count(*)::INTEGER AS records FROM read_parquet('${lake}/*/*.parquet', hive_partitioning = true) WHERE strftime("time", '%Y-%m-%d') <> date::VARCHAR`,
    );
    engine.close();
    expect(there).to.deep.equal(here);
    expect(strange).to.deep.equal({ records: 0 });
    // The same again, to the byte: nothing is sent twice after a restart that remembers nothing.
    const puts = storage.puts.length;
    forget();
    await uploaded({ by_day: true });
    expect(storage.puts).to.have.lengthOf(puts);
    expect(readdirSync(join(folder, "records"))).to.deep.equal(["parquet"]);
  });

  const answer =
    (code: number, text = "", headers: Record<string, string> = {}) =>
    (response: ServerResponse): void => {
      response.writeHead(code, headers).end(text);
    };
  const xml = (code: string): string => `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`;
  const faults: [how: string, act: (response: ServerResponse, storage: Storage) => void, detail: RegExp][] = [
    ["answers 500", answer(500, xml("InternalError")), /^status 500 (\(InternalError\) )?to (HEAD|PUT)$/],
    ["answers 503 and is asked to wait", answer(503, xml("SlowDown"), { "retry-after": "0" }), /^status 503 /],
    ["answers 403", answer(403, xml("AccessDenied")), /^status 403 (\(AccessDenied\) )?to PUT$/],
    ["has no such bucket", answer(404, xml("NoSuchBucket")), /^status 404 \(NoSuchBucket\) to PUT$/],
    ["redirects", answer(307, "", { location: "http://127.0.0.1:1/elsewhere" }), /^status 307 to HEAD$/],
    ["answers 200 to everything, and has nothing", answer(200), /^the bucket has other bytes under \d{16}\.parquet than it was sent$/],
    ["answers 100 KB of garbage", answer(500, "x".repeat(100_000)), /^(an answer of more than|status 500)/],
    ["names a code that is no word", answer(500, "<Code>a\nb</Code><Code>"), /^status 500 to (HEAD|PUT)$/],
    ["cuts the connection", (response) => response.destroy(), /^(socket hang up|read ECONNRESET|write EPIPE)$/],
    [
      "answers with half a head",
      (response) => {
        response.socket?.end("HTTP/1.1 200 O");
      },
      /Parse Error|socket hang up/,
    ],
    ["never answers", () => undefined, /^no whole answer within 150 ms$/],
  ];
  for (const [how, act, detail] of faults) {
    it(`that ${how} is said once to fail, loses nothing, and has all of it afterwards`, async () => {
      storage.fault = (_request, response) => {
        act(response, storage);
        return false;
      };
      start({ timeout_ms: 150 });
      await until(
        () => status().failures >= 3,
        () => status(),
      );
      expect(said).to.have.lengthOf(1);
      expect(said[0]).to.match(detail);
      expect(status().failing_s).to.be.above(0);
      expect(status().waiting).to.equal(fileNames().length);
      storage.fault = () => true;
      await whole();
      expect(stored()).to.deep.equal(expected());
      expect(said.at(-1)).to.equal("recovered");
      // What failed counts for nothing, after a restart too.
      await uploaded();
      expect(stored()).to.deep.equal(expected());
    });
  }

  it("has each file whole though it fails in one way or another, restart after restart", async () => {
    let requests = 0;
    const flaky: Fault = (request, response) => {
      requests++;
      if (requests % 3 === 0) request.destroy();
      else if (requests % 5 === 0) response.writeHead(503).end();
      else if (requests % 7 === 0) request.once("data", () => request.destroy());
      else return true;
      return false;
    };
    storage.fault = flaky;
    for (let restart = 0; restart < 3; restart++) {
      start();
      await until(() => requests > 6 * (restart + 1));
      await stop();
    }
    await uploaded();
    expect(stored()).to.deep.equal(expected());
  });

  it("whose disk keeps other bytes than it was sent is found out, and sent the file again", async () => {
    storage.keep = (bytes) => bytes.subarray(1);
    start();
    await until(() => status().failures > 1);
    expect(said).to.deep.equal([`the bucket has other bytes under ${fileNames()[0] ?? ""} than it was sent`]);
    storage.keep = (bytes) => bytes;
    await whole();
    expect(stored()).to.deep.equal(expected());
  });

  it("that says of nothing that it isn't there needs no right to list", async () => {
    storage.fault = (request, response) => {
      if (request.method !== "HEAD" || storage.objects.has(request.url?.slice("/audit/remit/".length) ?? "")) return true;
      response.writeHead(403).end();
      return false;
    };
    await uploaded();
    expect(stored()).to.deep.equal(expected());
    expect(said).to.deep.equal([]);
  });

  it("is asked with the credentials of the moment, and a session's token is signed too", async () => {
    writeFileSync(credentials, CREDENTIALS.replace(KEYS.secret, "an-earlier-one"));
    start();
    await until(() => storage.forged > 2);
    expect(storage.objects.size).to.equal(0);
    expect(said).to.deep.equal(["status 403 (SignatureDoesNotMatch) to PUT"]);
    storage.token = "a-session";
    writeFileSync(
      credentials,
      `[other]\naws_access_key_id=no\n${CREDENTIALS}aws_session_token = a-session\r\n[more]\naws_secret_access_key=no`,
    );
    await whole();
    expect(stored()).to.deep.equal(expected());
  });

  const unusable: [how: string, text: string, detail: RegExp][] = [
    ["is empty", "", /`aws_access_key_id` in section \[default\] of \S+ is missing$/],
    ["has only another section", CREDENTIALS.replace("default", "other"), /`aws_access_key_id` .* is missing$/],
    ["lacks the secret", `aws_access_key_id = ${KEYS.id}`, /`aws_secret_access_key` .* is missing$/],
    [
      "has a secret of two words",
      `${CREDENTIALS}aws_secret_access_key = ${KEYS.secret} x`,
      /`aws_secret_access_key` .* is no single word$/,
    ],
    ["has a token with a control character", `${CREDENTIALS}aws_session_token = a\x07b`, /`aws_session_token` .* is no single word$/],
    ["is garbage", "\0\xff{{=\n[", /`aws_access_key_id` .* is missing$/],
  ];
  for (const [how, text, detail] of unusable) {
    it(`isn't asked while the file of credentials ${how}, which is said without any of it`, async () => {
      writeFileSync(credentials, text);
      start();
      await until(() => status().failures > 1);
      expect(said).to.have.lengthOf(1);
      expect(said[0]).to.match(detail);
      expect(storage.asked.length + storage.forged).to.equal(0);
      writeFileSync(credentials, CREDENTIALS);
      await whole();
      expect(stored()).to.deep.equal(expected());
    });
  }

  it("isn't asked while there is no file of credentials, or it is a folder", async () => {
    rmSync(credentials);
    start();
    await until(() => status().failures > 1);
    start({ name: "other", credentials_file: root });
    await until(() => status().failures > 1);
    expect(storage.asked.length + storage.forged).to.equal(0);
    expect(said.map((text) => text.split(":")[0])).to.deep.equal(["ENOENT", "EISDIR"]);
  });

  it("is refused what was changed on its way", async () => {
    // The counterpart of the storage's check: it takes what is signed, and nothing else.
    start();
    await whole();
    const [key = ""] = fileNames();
    const headers = await new Promise<Record<string, string>>((resolve) => {
      storage.fault = (request, response) => {
        if (request.method !== "PUT") return true;
        response.destroy();
        // Those that `fetch` adds by itself.
        const own = new Set(["host", "connection", "content-length"]);
        resolve(Object.fromEntries(Object.entries(request.headers as Record<string, string>).filter(([name]) => !own.has(name))));
        return false;
      };
      forget();
      storage.objects.clear();
      start({ name: "again" });
    });
    await stop();
    storage.fault = () => true;
    const bytes = readFileSync(fileOf(key));
    const put = async (more: Record<string, string>, body: Buffer): Promise<number> => {
      const init = { method: "PUT", headers: { ...headers, ...more }, body: new Uint8Array(body) };
      return (await fetch(`${storage.url}/${key}`, init)).status;
    };
    const changed = Buffer.from(bytes);
    changed[50] = (changed[50] ?? 0) ^ 1;
    expect(await put({}, changed)).to.equal(400);
    expect(await put({ "x-amz-content-sha256": sha256(changed) }, changed)).to.equal(403);
    expect(await put({ "x-amz-meta-remit-sha256": sha256(changed) }, bytes)).to.equal(403);
    expect(storage.objects.size).to.equal(0);
    expect(await put({}, bytes)).to.equal(200);
  });
});
