/** What the service finds around it: few file descriptors, a certificate of another key, a log that somebody edited with its tiles. */
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { stringify } from "yaml";
import { readLines } from "../../src/audit/log/record_lines.js";
import { leafHash } from "../../src/audit/tree/hash.js";
import { parseConsoleConfig } from "../../src/console/config.js";
import type { Config } from "../../src/system/config.js";
import { system } from "../../src/system/index.js";
import { logger, type Logger } from "../../src/system/logger.js";
import { asset } from "../../src/system/paths.js";
import { logOf } from "../audit/publish/support.js";
import { edit } from "../audit/tree/mutations.js";
import { LOG_KEY, writeLog } from "../audit/tree/written.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { cut } from "./cut.js";
import { threat } from "./threat.js";

/** Files that a service at rest has open, and that a revocation, a segment and a bundle open beside. */
const NEEDED = 96;
/** Records of a segment. */
const SEGMENT = 250;

threat("B9", "connections leave file descriptors for what revokes and records", {
  async check(tree) {
    const { connectionsMax } = await tree("service/descriptors.js");
    const logger = { warn: () => undefined } as unknown as Logger;
    for (const configured of [64, 1024, 100_000])
      for (const grpc of [0, 64])
        for (const open of [256, 512, 1024, 4096, 1_000_000]) {
          const config = { limits: { connections_max: configured }, envoy: { grpc: { connections_max: grpc } } } as unknown as Config;
          const connections = connectionsMax(config, logger, open);
          if (connections < 16) throw new Error(`only ${connections} connections of ${open}`);
          if (connections + grpc + NEEDED > open)
            return `${connections} of ${configured} connections and ${grpc} over gRPC in ${open} files`;
        }
    return null;
  },
  without: {
    "files being reserved": [cut.text("service/descriptors.js", "connectionsMax", "- RESERVED", "- 0")],
    "connections over gRPC being counted": [cut.text("service/descriptors.js", "connectionsMax", "- others", "")],
    "the limit of open files": [cut.always("service/descriptors.js", "connectionsMax", "configured")],
  },
});

threat("G6", "a certificate of another key is found before anything listens", {
  async check(tree) {
    const { readTls } = await tree("service/tls.js");
    const folder = temporaryDirectory();
    const cert = asset("test", "fixtures", "rsa_certificate.pem");
    for (const [what, { privateKey }] of Object.entries({
      "of another kind": generateKeyPairSync("ec", { namedCurve: "P-256" }),
      "of the same kind": generateKeyPairSync("rsa", { modulusLength: 2048 }),
    })) {
      const key = join(folder, "key.pem");
      writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }));
      try {
        readTls({ cert, key }, "tls");
        return `a key ${what} passes`;
      } catch (cause) {
        if (!(cause instanceof Error) || !cause.message.includes("isn't that of the certificate")) throw cause;
      }
    }
    return null;
  },
  without: { "the keys being compared": [cut.never("service/tls.js", "readTls", "checkPrivateKey")] },
});

threat("F1", "what is said to be altered takes in the record that was, whatever was edited with it", {
  async check(tree) {
    const { verifyLog } = await tree("audit/tree/verify.js");
    for (const seq of [2, 256, 257, 500]) {
      const { folder } = writeLog(join(temporaryDirectory(), "log"), { records: 600, segment_records: SEGMENT });
      edit(folder, seq, SEGMENT, (lines, at) => (lines[at] = (lines[at] ?? "").replace("somebody else's", "ada's own")));
      const tile = join(folder, "tile", "0", `00${Math.floor((seq - 1) / 256)}`);
      const hashes = readFileSync(tile);
      const [line] = [...readLines(folder, seq, seq)].map(({ bytes }) => leafHash(bytes));
      hashes.write(line ?? "", ((seq - 1) % 256) * 32, "latin1");
      writeFileSync(tile, hashes);
      const { damage } = verifyLog({ folder, keys: [LOG_KEY.verifier], elsewhere: [] });
      if (damage.length === 0) throw new Error(`the edit of record ${seq} goes unseen`);
      if (!damage.some(({ from, to }) => from <= seq && seq <= to)) return `record ${seq}, and not what is named, was altered`;
    }
    return null;
  },
  without: { "records with tiles being in it": [cut.text("audit/tree/judge.js", "contradicted", "proven + 1", "size")] },
});

/** Configurations of a folder that would be served with something else in it. */
const SERVED: readonly string[] = [
  "facts: {store: pub/store}\nlog: {dir: log, publish: {dir: pub}}",
  "facts: {store: store}\nlog: {dir: pub/log, publish: {dir: pub}}",
  "facts: {store: store}\nlog: {dir: log, publish: {dir: log/pub}}",
  "facts: {store: store, file: pub/facts.yaml}\nlog: {dir: log, publish: {dir: pub}}",
  "facts: {store: store}\nlog: {dir: log, publish: {dir: .}}",
];

threat("F10", "what is published is the log alone, and is written nowhere else", {
  async check(tree) {
    const { parseConfig } = await tree("system/config.js");
    const least =
      "identity: {issuers: [{issuer: x, audience: {callers: remit}, jwks: keys.json}]}\nbundle: {path: b, name: b, keys: [k], state_dir: state}";
    const taken = (sections: string): boolean => {
      try {
        parseConfig(`${least}\n${sections}\n`, "/srv/remit/remit.yaml");
        return true;
      } catch {
        return false;
      }
    };
    if (!taken("facts: {store: store}\nlog: {dir: log, publish: {dir: pub}}")) throw new Error("a folder of its own is refused");
    const served = SERVED.find(taken);
    if (served !== undefined) return served;
    const { PublishedLog } = await tree("audit/publish/published_log.js");
    const folder = temporaryDirectory();
    const kept = join(folder, "kept");
    writeFileSync(kept, "kept");
    mkdirSync(join(folder, "pub"));
    symlinkSync(kept, join(folder, "pub", "checkpoint.new"));
    new PublishedLog(logOf(join(folder, "log"), 3).folder, join(folder, "pub")).publish();
    return readFileSync(kept, "utf8") === "kept" ? null : "a link was followed";
  },
  without: {
    "other folders and files being looked at": [cut.never("system/config/records.js", "checkPublish", "contains")],
    "the log's own being looked at": [cut.never("system/config/records.js", "checkPublish", "overlap")],
    "a new name for each file": [
      cut.text("audit/publish/published_log.js", "PublishedLog.#write", "rmSync(`${file}.new`, { force: true });", ""),
      cut.text("audit/publish/published_log.js", "PublishedLog.#write", ', flag: "wx"', ""),
    ],
  },
});

threat("B13", "nobody signs others out by signing in", {
  async check(tree) {
    const { Sessions } = await tree("console/sessions.js");
    let now = 0;
    const clock = { wall: () => now, monotonic: () => now };
    const sessions = new Sessions({ idle_ms: 1e9, lasts_ms: 1e9 }, { ...system, clock });
    const begin = (id: string): string => {
      now++;
      return sessions.begin({ id, scopes: new Set(), signed_in_ms: null });
    };
    const others = ["bob", "cyd"].map(begin);
    for (let i = 0; i < 1500; i++) begin("ada");
    if (others.some((id) => sessions.use(id) === null)) return "others are signed out by one";
    if (sessions.size > 100) return `one person has ${sessions.size - 2} sessions`;
    for (let i = 0; i < 1500; i++) begin(`p-${i % 90}`);
    return others.some((id) => sessions.use(id) === null) ? "others are signed out by a crowd" : null;
  },
  without: {
    "a bound for each person": [cut.never("console/sessions.js", "begin", "SESSIONS_OF_ONE")],
    "whoever has most losing first": [cut.text("console/sessions.js", "Sessions.begin", "this.#mostHeld()", "oldest([...this.#kept])")],
  },
});

const CONSOLE_CONNECTIONS = 32;

threat("B13", "nobody has all connections of the console, signed in or not", {
  async check(tree) {
    const { startConsole } = await tree("console/server.js");
    const folder = temporaryDirectory();
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(join(folder, "console.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    for (const name of [
      "app-1.js",
      "app-1.css",
      "playground-1.js",
      "playground-worker-1.js",
      "replay-worker-1.js",
      "library-1.json",
      "opa",
    ])
      writeFileSync(join(folder, name), "{}");
    const config = parseConsoleConfig(
      stringify({
        listen: { port: 0, connections_max: CONSOLE_CONNECTIONS },
        service: { url: "http://127.0.0.1:9" },
        issuer: { issuer: "i", audience: "a", kid: "k", key: "console.pem" },
        local: { person: "ada", scopes: [] },
      }),
      join(folder, "console.yaml"),
    );
    const options = { local: true, page: folder, opa: join(folder, "opa") };
    const running = await startConsole(config, options, system, logger(system.clock, new PassThrough()));
    const open: Socket[] = [];
    const flood = async (text: string): Promise<() => number> => {
      const all = Array.from({ length: 3 * CONSOLE_CONNECTIONS }, () => connect(Number(new URL(running.url).port), "127.0.0.1"));
      open.push(...all);
      for (const socket of all) socket.on("error", () => undefined).resume();
      for (const socket of all) {
        if (socket.connecting) await once(socket, "connect").catch(() => undefined);
        socket.write(text);
      }
      return () => all.filter(({ destroyed }) => !destroyed).length;
    };
    const within = async (isIt: () => boolean): Promise<boolean> => {
      for (const end = performance.now() + 1000; !isIt() && performance.now() < end;)
        await new Promise((resolve) => setTimeout(resolve, 20));
      return isIt();
    };
    try {
      const strangers = await flood("GET / HTTP/1.1\r\n");
      if (!(await within(() => strangers() <= CONSOLE_CONNECTIONS))) return `strangers have ${strangers()} connections`;
      const { headers } = await fetch(running.signIn() ?? "", { redirect: "manual" });
      const cookie = headers.getSetCookie()[0]?.split(";")[0] ?? "";
      if (cookie === "") return "nobody can sign in any more";
      const host = new URL(running.url).host;
      const ada = await flood(`GET /api/me HTTP/1.1\r\nhost: ${host}\r\ncookie: ${cookie}\r\nsec-fetch-site: same-origin\r\n\r\n`);
      return (await within(() => ada() <= CONSOLE_CONNECTIONS / 2)) ? null : `one person has ${ada()} connections`;
    } finally {
      for (const socket of open) socket.destroy();
      await running.stop();
    }
  },
  without: {
    "connections being counted": [cut.call("console/server.js", "startConsole", "connections.opened")],
    "persons being told from strangers": [cut.text("console/server.js", "answer", "sessionOf(request)?.person.id ?? null", "null")],
  },
});
