import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { connect, createServer as createRelay, type AddressInfo, type Server as Relay, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { stringify } from "yaml";
import { until } from "../audit/export/service_support.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { REQUEST } from "../http/running.js";
import { Child, placeIn, type Place } from "../service/child.js";
import { skip } from "../skip.js";
import { Gateway, gatewayProgram, WANTED } from "./gateway.js";
import { KEYS, REGION, sha256, Storage } from "./storage.js";

const FAST = { interval_ms: 20, timeout_ms: 5000, retry_ms: 10, retry_max_ms: 40 };
const CREDENTIALS = `aws_access_key_id = ${KEYS.id}\naws_secret_access_key = ${KEYS.secret}\n`;

/** A service whose segments are small, and the credentials of its bucket. */
function place(root: string, url: string, more: object = {}): Place {
  const folder = mkdtempSync(join(root, "service-"));
  const credentials = join(folder, "credentials");
  writeFileSync(credentials, CREDENTIALS);
  const made = placeIn(folder, { log: { segment_bytes: 20_000 } });
  const upload = [{ name: "lake", url, region: REGION, credentials_file: credentials, ...FAST, ...more }];
  writeFileSync(made.config, readFileSync(made.config, "utf8") + stringify({ upload }));
  return made;
}

async function decide(child: Child, times: number): Promise<void> {
  for (let i = 0; i < times; i++) expect((await child.told("POST", "/decide", REQUEST)).status).to.equal(200);
}

/** Digests of the files of sealed segments, by name. */
function sealed({ records }: Place): Map<string, string> {
  const folder = join(records, "records", "parquet");
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  return new Map(
    names
      .sort()
      .map((name) => [
        name.replace("json", "parquet"),
        (JSON.parse(readFileSync(join(folder, name), "utf8")) as { parquet_digest: string }).parquet_digest,
      ]),
  );
}

async function metrics(child: Child): Promise<Map<string, number>> {
  const { text } = await child.told("GET", "/metrics");
  return new Map([...text.matchAll(/^(remit_upload_\w+)\{bucket="lake"\} (\S+)$/gm)].map(([, name = "", value]) => [name, Number(value)]));
}

describe("a service that uploads the files of its records", function () {
  const root = temporaryDirectory();
  let child: Child | null = null;
  let storage: Storage;
  beforeEach(async () => {
    storage = new Storage();
    await storage.start();
  });
  afterEach(async () => {
    await child?.kill();
    child = null;
    await storage.stop();
  });

  it("has them in the bucket, whole and once each, though it is killed while it sends", async () => {
    const where = place(root, storage.url);
    let requests = 0;
    storage.fault = (request, response) => {
      requests++;
      // Bodies that hang half-way: kills come in every part of an upload.
      if (requests % 4 === 0) request.pause();
      else if (requests % 6 === 0) response.writeHead(503).end();
      else return true;
      return false;
    };
    for (let kill = 0; kill < 4; kill++) {
      child = new Child(where);
      await child.ready();
      const before = requests;
      await decide(child, 60);
      await until(() => requests > before + 1);
      await sleep(30 * kill);
      await child.kill();
    }
    storage.fault = () => true;
    child = new Child(where);
    await child.ready();
    const isWhole = (): boolean => {
      const files = sealed(where);
      return files.size > 3 && [...files].every(([name, digest]) => sha256(storage.objects.get(name)?.bytes ?? "") === digest);
    };
    await until(isWhole, () => [[...sealed(where).keys()], [...storage.objects.keys()]]);
    expect([...storage.objects.keys()].sort()).to.deep.equal([...sealed(where).keys()]);
    // The storage keeps a file when it has all of it: a file that is there is sent to it no second time.
    const puts = storage.puts;
    expect(new Set(puts).size).to.equal(puts.length);
    expect(storage.forged).to.equal(0);
    await child.kill();
    child = null;
  });

  it("says so when it can't, decides meanwhile, and is counted", async () => {
    storage.fault = (_request, response) => {
      response.writeHead(500).end();
      return false;
    };
    const where = place(root, storage.url);
    child = new Child(where);
    await child.ready();
    await decide(child, 60);
    await child.says('"event":"upload_failing"');
    await decide(child, 20);
    for (;;) {
      const found = await metrics(child);
      if ((found.get("remit_upload_failing_seconds") ?? 0) > 0 && (found.get("remit_upload_waiting_segments") ?? 0) > 0) break;
      await sleep(50);
    }
    storage.fault = () => true;
    await child.says("files of records are uploaded again");
    for (;;) {
      const found = await metrics(child);
      if (found.get("remit_upload_failing_seconds") === 0 && found.get("remit_upload_waiting_segments") === 0) {
        expect(found.get("remit_upload_files_total")).to.equal(storage.puts.length);
        expect(found.get("remit_upload_failures_total")).to.be.above(0);
        break;
      }
      await sleep(50);
    }
    expect(child.said).not.to.contain(KEYS.secret).and.not.to.contain(KEYS.id);
    await child.kill();
    child = null;
  });

  it("starts the process that does it again after it ended", async () => {
    const where = place(root, storage.url);
    child = new Child(where);
    await child.ready();
    const [pid] = processesOf(child.pid, "upload/process");
    expect(pid).not.to.equal(undefined);
    process.kill(pid ?? 0, "SIGKILL");
    await child.says('"event":"upload_ended"');
    await decide(child, 60);
    await until(() => storage.objects.size > 0);
    await child.kill();
    await until(() => processesOf(child?.pid ?? 0, "upload/process").length === 0);
    child = null;
  });
});

/** Children of a process whose command line names a module (Linux). */
function processesOf(parent: number, module: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const [, ppid] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8")) ?? [];
        return ppid === String(parent) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(module);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe("storage that isn't this project's", function () {
  const root = temporaryDirectory();
  const gateway = new Gateway(join(root, "buckets"));
  let child: Child | null = null;
  let relay: Relay | null = null;
  before(async function () {
    const program = gatewayProgram();
    if (program === null) return skip(this, WANTED);
    await gateway.start(program);
    mkdirSync(join(gateway.root, "audit"));
  });
  after(() => gateway.stop());
  afterEach(async () => {
    await child?.kill();
    child = null;
    relay?.close();
    relay = null;
  });
  const inBucket = (folder: string): Map<string, string> => {
    const there = join(gateway.root, "audit", folder);
    const names = existsSync(there) ? readdirSync(there, { recursive: true, encoding: "utf8" }) : [];
    const files = names.filter((name) => name.endsWith(".parquet")).sort();
    return new Map(files.map((name) => [name, sha256(readFileSync(join(there, name)))]));
  };

  it("takes the signatures, keeps the files, and is sent none of them again", async () => {
    const where = place(root, `${gateway.url}/audit/plain`);
    child = new Child(where);
    await child.ready();
    await decide(child, 80);
    await until(() => inBucket("plain").size > 2 && inBucket("plain").size === sealed(where).size);
    expect(inBucket("plain")).to.deep.equal(sealed(where));
    await child.kill();
    expect(child.said).not.to.contain("upload_failing");
  });

  it("takes them by day", async () => {
    const where = place(root, `${gateway.url}/audit/days`, { by_day: true });
    child = new Child(where);
    await child.ready();
    await decide(child, 80);
    await until(() => inBucket("days").size > 2);
    for (const name of inBucket("days").keys()) expect(name).to.match(/^date=\d{4}-\d\d-\d\d\/\d{16}\.parquet$/);
  });

  const refusals: [how: string, url: () => string, credentials: string, detail: string][] = [
    [
      "a secret that isn't the bucket's",
      () => `${gateway.url}/audit/secret`,
      CREDENTIALS.replace(KEYS.secret, "wrong"),
      "SignatureDoesNotMatch",
    ],
    ["an id that it doesn't know", () => `${gateway.url}/audit/id`, CREDENTIALS.replace(KEYS.id, "AKIDOTHER"), " to PUT"],
    ["a bucket that it hasn't", () => `${gateway.url}/nowhere`, CREDENTIALS, "NoSuchBucket"],
  ];
  for (const [how, url, credentials, detail] of refusals) {
    it(`refuses ${how}, which the log names`, async () => {
      const where = place(root, url());
      writeFileSync(join(where.folder, "credentials"), credentials);
      child = new Child(where);
      await child.ready();
      await decide(child, 60);
      await child.says(detail);
      expect(child.said).not.to.contain(KEYS.secret);
    });
  }

  it("refuses a file that was changed on its way, and has it whole when nobody does any more", async () => {
    const line = new Line(new URL(gateway.url));
    relay = line.server;
    const where = place(root, `${await line.listen()}/audit/changed`);
    child = new Child(where);
    await child.ready();
    await decide(child, 60);
    await child.says("XAmzContentSHA256Mismatch", "BadDigest", "SignatureDoesNotMatch");
    expect(inBucket("changed").size).to.equal(0);
    line.changes = false;
    await until(() => inBucket("changed").size > 1 && inBucket("changed").size === sealed(where).size);
    expect(inBucket("changed")).to.deep.equal(sealed(where));
  });
});

/** A line to a server that changes the first bytes of each Parquet file that passes. */
class Line {
  changes = true;
  readonly server: Relay;

  constructor(to: URL) {
    this.server = createRelay((from: Socket) => {
      const onward = connect(Number(to.port), to.hostname);
      from.on("data", (chunk) => {
        const at = this.changes ? chunk.indexOf("PAR1") : -1;
        if (at >= 0) chunk[at] = 0x70;
        onward.write(chunk);
      });
      from.on("end", () => onward.end()).on("error", () => onward.destroy());
      onward.on("error", () => from.destroy());
      onward.pipe(from);
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
}
