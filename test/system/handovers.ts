/** Processes that contend for one lock while whoever has it is killed, again and again. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CONTENDER = fileURLToPath(new URL("./contender.js", import.meta.url));
/** Killed with the process that made it, in PID and mount namespaces of its own. */
export const CONTAINER: readonly string[] = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];

export function hasContainers(): boolean {
  const [command = "", ...given] = CONTAINER;
  return spawnSync(command, [...given, "true"]).status === 0;
}

/** A process in a container of its own, or on the host. */
export function inContainer(contained: boolean, args: readonly string[], options: Parameters<typeof spawn>[2] = {}): ChildProcess {
  const [command = "", ...given] = contained ? [...CONTAINER, process.execPath, ...args] : [process.execPath, ...args];
  return spawn(command, given, options);
}

/** Journal of who had the lock: one line for each moment in which its holder was sure to have it alone. */
export class Contest {
  readonly #lock: string;
  readonly #journal: string;
  readonly #contained: (contender: number) => boolean;
  readonly #contenders = new Map<string, ChildProcess>();
  #begun = 0;

  /** @param contained which contenders run in containers of their own, by their numbers */
  constructor(folder: string, contained: (contender: number) => boolean) {
    this.#lock = join(folder, "lock");
    this.#journal = join(folder, "journal");
    this.#contained = contained;
  }

  /** Kills the holder as often as this, with this many waiting for it. */
  async run(handOvers: number, waiting: number): Promise<void> {
    try {
      for (let i = 0; i <= waiting; i++) this.#begin();
      let last = "";
      for (let done = 0; done < handOvers; done++) {
        const holder = await this.#holderAfter(last);
        const process = this.#contenders.get(holder);
        if (process === undefined) throw new Error(`${holder} was killed, and has the lock`);
        this.#begin();
        await end(process);
        this.#contenders.delete(holder);
        last = holder;
      }
    } finally {
      await Promise.all([...this.#contenders.values()].map(end));
    }
  }

  /** Holders in their order; one that is in it twice had the lock with another in between, so two had it at once. */
  holders(): string[] {
    const lines = readFileSync(this.#journal, "utf8").split("\n").slice(0, -1);
    return lines.filter((name, i) => name !== lines[i - 1]);
  }

  #begin(): void {
    const name = String(this.#begun++);
    const args = [CONTENDER, this.#lock, this.#journal, name];
    this.#contenders.set(name, inContainer(this.#contained(Number(name)), args, { stdio: ["pipe", "ignore", "inherit"] }));
  }

  async #holderAfter(last: string): Promise<string> {
    for (;;) {
      const lines = existsSync(this.#journal) ? readFileSync(this.#journal, "utf8").split("\n") : [];
      const holder = lines.at(-2);
      if (holder !== undefined && holder !== last) return holder;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

async function end(process: ChildProcess): Promise<void> {
  process.stdin?.destroy();
  process.kill("SIGKILL");
  await once(process, "exit");
}
