/**
 * A login at a guarded server, kept between processes: a file of the user's alone for each server, replaced as a whole, and locked while a token is
 * renewed, since a refresh token that is used twice ends the login (OAuth 2.1, section 4.3.1).
 */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Type, type Static } from "../../../contract/type.js";
import { errorMessage } from "../../../system/error_message.js";
import { makeFolder } from "../../../system/folder.js";
import { pause, type Timers } from "../../../system/index.js";
import { lock } from "../../../system/lock.js";
import { Locked } from "../../../system/lock_errors.js";
import { readText } from "../../../system/read_file.js";
import { replaceFileSync } from "../../../system/replaced_file.js";
import { schemas } from "../../../system/schemas.js";
import { ServerLoginError } from "./login_error.js";

const text = () => Type.String({ minLength: 1 });
const KeptLoginSchema = Type.Object(
  {
    format: Type.Literal(1),
    resource: text(),
    issuer: text(),
    client: Type.Object({ id: text(), secret: Type.Optional(text()) }, { additionalProperties: false }),
    /** Scopes that were asked for. */
    scopes: Type.Array(text()),
    /** Scopes that the server has asked for since. */
    wanted: Type.Array(text()),
    access_token: Type.Union([text(), Type.Null()]),
    /** Milliseconds since the epoch; null: nobody said. */
    expires_ms: Type.Union([Type.Number(), Type.Null()]),
    refresh_token: Type.Union([text(), Type.Null()]),
  },
  { additionalProperties: false },
);

export type KeptLogin = Static<typeof KeptLoginSchema>;

const isKeptLogin = schemas().compile<KeptLogin>(KeptLoginSchema);
const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
/** Milliseconds between looks at a lock that another process has, and for which it is waited. */
const LOOK_MS = 50;
const WAIT_MS_MAX = 30_000;

/** Returns the user's folder of logins. */
export function loginFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state"), "remit", "mcp-logins");
}

/** Parts that a login is bound to: of another server, or as another client, it is another login. */
export interface LoginBinding {
  /** The server, as the configuration names it. */
  url: string;
  issuer: string | undefined;
  client_id: string | undefined;
}

export class LoginFile {
  readonly path: string;
  readonly #folder: string;

  constructor(folder: string, { url, issuer = "", client_id = "" }: LoginBinding) {
    const name = createHash("sha256")
      .update(JSON.stringify([url, issuer, client_id]))
      .digest("hex")
      .slice(0, 32);
    this.#folder = folder;
    this.path = join(folder, `${name}.json`);
  }

  /** Returns the login as it is now; null: nobody has signed in. @throws ServerLoginError `login_file_unsafe` */
  read(): KeptLogin | null {
    const state = statSync(this.path, { throwIfNoEntry: false });
    if (state === undefined) return null;
    this.#checkOwner(this.path, state.mode, state.uid, OTHERS);
    try {
      const kept: unknown = JSON.parse(readText(this.path));
      if (isKeptLogin(kept)) return kept;
    } catch (cause) {
      throw new ServerLoginError("login_file_unsafe", `\`${this.path}\` can't be read`, { cause });
    }
    throw new ServerLoginError("login_file_unsafe", `\`${this.path}\` isn't the file of a login: remove it and sign in again`);
  }

  /** @throws ServerLoginError `login_file_unsafe` */
  write(kept: KeptLogin): void {
    this.#makeFolder();
    try {
      replaceFileSync(this.path, `${JSON.stringify(kept, null, 2)}\n`, 0o600);
    } catch (cause) {
      throw new ServerLoginError("login_file_unsafe", `\`${this.path}\` can't be written`, { cause });
    }
  }

  /**
   * Does something while no other process renews this login.
   * @throws ServerLoginError `login_file_unsafe`, and what `work` throws
   */
  async locked<T>(timers: Pick<Timers, "after">, work: () => Promise<T>): Promise<T> {
    this.#makeFolder();
    const release = await this.#lock(timers);
    try {
      return await work();
    } finally {
      release();
    }
  }

  async #lock(timers: Pick<Timers, "after">): Promise<() => void> {
    for (let waited_ms = 0; ; waited_ms += LOOK_MS) {
      try {
        return lock(`the login \`${this.path}\``, `${this.path}.lock`);
      } catch (cause) {
        if (cause instanceof Locked && waited_ms < WAIT_MS_MAX) await pause(timers, LOOK_MS);
        else {
          throw new ServerLoginError("login_file_unsafe", `${errorMessage(cause)}; \`server.oauth.logins\` can name another folder`, {
            cause,
          });
        }
      }
    }
  }

  #makeFolder(): void {
    try {
      makeFolder(this.#folder);
    } catch (cause) {
      throw new ServerLoginError("login_file_unsafe", `the folder \`${this.#folder}\` can't be made`, { cause });
    }
    const { mode, uid } = statSync(this.#folder);
    this.#checkOwner(this.#folder, mode, uid, OTHERS_WRITE);
  }

  /** @throws ServerLoginError `login_file_unsafe` */
  #checkOwner(path: string, mode: number, uid: number, others: number): void {
    const me = process.getuid?.();
    if ((mode & others) === 0 && (me === undefined || uid === me)) return;
    throw new ServerLoginError("login_file_unsafe", `\`${path}\` isn't yours alone: expected your own, with mode 600 (a folder: 700)`);
  }
}
