/** Apache Kafka itself on loopback: one process that is broker and controller, from Maven's repository, and its own consumer. */
import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { connect } from "node:net";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Admin } from "@platformatic/kafka";
import { freePort } from "../../demo/ports.js";
import { asset } from "../../src/system/paths.js";
import type { TlsFiles } from "../tls_files.js";

export const FETCH_MS_MAX = 300_000;
const START_MS_MAX = 120_000;
const READ_MS_MAX = 120_000;
const PARTITIONS = 3;
/** The offset behind the last message, as a request names it. */
const LATEST = -1n;
const POM = asset("test", "kafka", "pom.xml");
/**
 * Of a small broker, which holds a few thousand messages, and of consumers that end after one reading: what Java's second compiler and its
 * parallel collector would make faster is over before they have, at twice the cost.
 */
const JAVA = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/** Says what is missing; null if a broker can be had. */
export function kafkaLacks(): string | null {
  if (spawnSync("java", ["-version"]).status !== 0) return "no Java";
  return spawnSync("mvn", ["-version"]).status === 0 ? null : "no Maven";
}

/** Finds Kafka's archives in the cache, else fetches them. @returns their folder @throws Error if they can't be had */
export async function fetchKafka(): Promise<string> {
  const version = createHash("sha256").update(readFileSync(POM)).digest("hex").slice(0, 16);
  const target = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", `kafka-${version}`);
  if (existsSync(target)) return target;
  await mkdir(dirname(target), { recursive: true });
  const partial = `${target}.${process.pid}`;
  try {
    const goal = ["-q", "-B", "-f", POM, "dependency:copy-dependencies", `-DoutputDirectory=${partial}`];
    await promisify(execFile)("mvn", goal, { timeout: FETCH_MS_MAX });
    await rename(partial, target);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return target;
}

export interface BrokerSecurity {
  certificate: TlsFiles;
  username: string;
  password: string;
}

export class Broker {
  readonly #archives: string;
  readonly #folder: string;
  readonly #security: BrokerSecurity | null;
  #process: ChildProcess | null = null;
  #port = 0;
  #securePort = 0;

  /** @param security adds a listener over TLS with sign-in (SASL PLAIN) */
  constructor(archives: string, folder: string, security: BrokerSecurity | null = null) {
    this.#archives = archives;
    this.#folder = folder;
    this.#security = security;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get secureAddress(): string {
    return `127.0.0.1:${this.#securePort}`;
  }

  /** Starts it; the second time with what it had. */
  async start(): Promise<void> {
    const properties = join(this.#folder, "server.properties");
    if (!existsSync(properties)) await this.#prepare(properties);
    const started = spawn("java", [...JAVA, "-cp", join(this.#archives, "*"), "kafka.Kafka", properties], { stdio: "ignore" });
    this.#process = started;
    const until = performance.now() + START_MS_MAX;
    while (!(await this.#listens())) {
      if (started.exitCode !== null || performance.now() > until) throw new Error("the broker doesn't start");
      await sleep(100);
    }
  }

  async #prepare(properties: string): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const controller = await freePort();
    this.#port = await freePort();
    this.#securePort = await freePort();
    const listeners = [`PLAIN://127.0.0.1:${this.#port}`];
    const settings: Record<string, string> = {
      "process.roles": "broker,controller",
      "node.id": "1",
      "controller.quorum.voters": `1@127.0.0.1:${controller}`,
      "controller.listener.names": "CONTROLLER",
      "inter.broker.listener.name": "PLAIN",
      "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,SECURE:SASL_SSL",
      "log.dirs": join(this.#folder, "data"),
      "offsets.topic.replication.factor": "1",
      "transaction.state.log.replication.factor": "1",
      "transaction.state.log.min.isr": "1",
      "auto.create.topics.enable": "false",
      "group.initial.rebalance.delay.ms": "0",
    };
    if (this.#security !== null) {
      const { certificate, username, password } = this.#security;
      writeFileSync(join(this.#folder, "chain.pem"), Buffer.concat([certificate.key, certificate.cert]));
      listeners.push(`SECURE://127.0.0.1:${this.#securePort}`);
      settings["ssl.keystore.type"] = "PEM";
      settings["ssl.keystore.location"] = join(this.#folder, "chain.pem");
      settings["listener.name.secure.sasl.enabled.mechanisms"] = "PLAIN";
      settings["listener.name.secure.plain.sasl.jaas.config"] =
        `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`;
    }
    settings["advertised.listeners"] = listeners.join(",");
    settings["listeners"] = [...listeners, `CONTROLLER://127.0.0.1:${controller}`].join(",");
    writeFileSync(properties, Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join("")); // prettier-ignore
    this.#java("kafka.tools.StorageTool", ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties]);
  }

  async #listens(): Promise<boolean> {
    const socket = connect(this.#port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }

  async createTopic(topic: string, configs: Record<string, string> = {}): Promise<void> {
    const admin = new Admin({ clientId: "tests", bootstrapBrokers: [this.address] });
    try {
      const given = Object.entries(configs).map(([name, value]) => ({ name, value }));
      await admin.createTopics({ topics: [topic], partitions: PARTITIONS, replicas: 1, configs: given });
    } finally {
      await admin.close();
    }
  }

  /** Returns a topic's messages as Kafka's own consumer prints them, in the order of each partition: partition, headers, key and value. */
  async read(topic: string): Promise<{ partition: string; headers: string; key: string; value: string }[]> {
    const count = await this.#count(topic);
    if (count === 0) return [];
    const printed = this.#java("org.apache.kafka.tools.consumer.ConsoleConsumer", [
      ...["--bootstrap-server", this.address, "--topic", topic, "--from-beginning"],
      // However slow the machine is: it ends with the last message.
      ...["--max-messages", String(count), "--timeout-ms", String(READ_MS_MAX)],
      ...["partition", "headers", "key"].flatMap((what) => ["--property", `print.${what}=true`]),
      ...["--property", "key.separator=\t", "--property", "headers.separator=;"],
    ]);
    return printed.split("\n").flatMap((line) => {
      const [partition = "", headers = "", key = "", ...value] = line.split("\t");
      return partition.startsWith("Partition:") ? [{ partition, headers, key, value: value.join("\t") }] : [];
    });
  }

  async #count(topic: string): Promise<number> {
    const admin = new Admin({ clientId: "tests", bootstrapBrokers: [this.address] });
    try {
      const partitions = Array.from({ length: PARTITIONS }, (_, partitionIndex) => ({ partitionIndex, timestamp: LATEST }));
      const listed = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
      return listed.flatMap((of) => of.partitions).reduce((sum, { offset }) => sum + Number(offset), 0);
    } finally {
      await admin.close();
    }
  }

  #java(main: string, given: readonly string[]): string {
    const { stdout } = spawnSync("java", [...JAVA, "-cp", join(this.#archives, "*"), main, ...given], {
      encoding: "utf8",
      maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = null;
    if (running === null || running.exitCode !== null) return;
    running.kill("SIGKILL");
    await once(running, "exit");
  }

  /** Stops it where it is: connections stay, nothing answers. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }
}
