/** Debian's Firefox, by its own Marionette protocol over TCP: as it is packaged, other drivers can't drive it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as passes } from "node:timers/promises";

export const FIREFOX = "/usr/bin/firefox-esr";
const STARTS_MS = 120_000;

type Reply = [type: 1, id: number, error: { message: string } | null, result: { value?: unknown } | null];

export class Firefox {
  #id = 0;
  #bytes = Buffer.alloc(0);
  readonly #waiting = new Map<number, (reply: Reply) => void>();

  private constructor(
    private readonly folder: string,
    private readonly process: ChildProcess,
    private readonly socket: Socket,
  ) {
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#read();
    });
  }

  static async open(): Promise<Firefox> {
    const folder = mkdtempSync(join(tmpdir(), "remit-firefox-"));
    const prefs = {
      "marionette.port": 0,
      "datareporting.policy.dataSubmissionEnabled": false,
      "app.update.disabledForTesting": true,
      "browser.shell.checkDefaultBrowser": false,
    };
    const lines = Object.entries(prefs).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    writeFileSync(join(folder, "user.js"), lines.join("\n"));
    const child = spawn(FIREFOX, ["--headless", "--marionette", "--no-remote", "--profile", folder], { stdio: "ignore" });
    const file = join(folder, "MarionetteActivePort");
    await until(() => existsSync(file) && readFileSync(file, "utf8") !== "");
    const socket = connect(Number(readFileSync(file, "utf8")), "127.0.0.1");
    await once(socket, "connect");
    const firefox = new Firefox(folder, child, socket);
    await firefox.#ask("WebDriver:NewSession", { capabilities: { alwaysMatch: { unhandledPromptBehavior: "ignore" } } });
    return firefox;
  }

  async close(): Promise<void> {
    const ended = once(this.process, "exit");
    this.socket.write(framed([0, ++this.#id, "Marionette:Quit", { flags: ["eForceQuit"] }]));
    await ended;
    this.socket.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async goTo(url: string): Promise<void> {
    await this.#ask("WebDriver:Navigate", { url });
  }

  /** Returns an expression's value in the page. */
  async evaluate(expression: string): Promise<unknown> {
    return (await this.#ask("WebDriver:ExecuteScript", { script: `return ${expression};`, args: [] }))?.value;
  }

  /** Returns the text of a dialog that a page has opened; null if none is open. */
  async dialog(): Promise<string | null> {
    return await this.#ask("WebDriver:GetAlertText", {}).then(
      (result) => String(result?.value),
      () => null,
    );
  }

  async #ask(command: string, parameters: object): Promise<Reply[3]> {
    const id = ++this.#id;
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve));
    this.socket.write(framed([0, id, command, parameters]));
    const [, , error, result] = await reply;
    if (error !== null) throw new Error(`${command}: ${error.message}`);
    return result;
  }

  /** Takes whole messages, each after its length in bytes and a colon. */
  #read(): void {
    for (;;) {
      const colon = this.#bytes.indexOf(":");
      if (colon === -1) return;
      const end = colon + 1 + Number(this.#bytes.toString("latin1", 0, colon));
      if (this.#bytes.length < end) return;
      const message = JSON.parse(this.#bytes.toString("utf8", colon + 1, end)) as Reply | object;
      this.#bytes = this.#bytes.subarray(end);
      if (!Array.isArray(message)) continue;
      const reply = message as Reply;
      this.#waiting.get(reply[1])?.(reply);
      this.#waiting.delete(reply[1]);
    }
  }
}

/** Waits until a condition holds. @throws Error if it doesn't for two minutes */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + STARTS_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not so after ${STARTS_MS} ms: ${holds.toString()}`);
    await passes(50);
  }
}

function framed(message: unknown): string {
  const text = JSON.stringify(message);
  return `${Buffer.byteLength(text)}:${text}`;
}
