/**
 * Bundle in a registry of images, as `oras push` or OPA's tools put it there (OCI distribution 1.1): a manifest with one layer. Its digests
 * are checked as it is read; what makes it a bundle to trust is its own signature.
 */
import { createHash } from "node:crypto";
import { Type, type Static } from "../contract/type.js";
import { readText } from "../system/read_file.js";
import { schemas } from "../system/schemas.js";
import type { Fetched, Fetcher, SourceLimits } from "./fetcher.js";
import type { SourceAnswer, Requests } from "./requests.js";

export interface OciSourceOptions extends SourceLimits {
  /** `https://registry.example/acme/policies:stable`, or `…@sha256:…`. */
  url: string;
  /** File with `user:password` in one line, read before each login. */
  credentials_file?: string;
}

export interface OciReference {
  origin: string;
  name: string;
  /** Tag or digest. */
  reference: string;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST_BYTES_MAX = 1024 * 1024;
const PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(`^/(${PART}(?:/${PART})*)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@(sha256:[0-9a-f]{64}))$`);
const PARAMETER = /([a-z]+)="([^"\\]*)"/g;

const Manifest = Type.Object({
  schemaVersion: Type.Literal(2),
  layers: Type.Array(
    Type.Object({
      mediaType: Type.String(),
      digest: Type.String({ pattern: "^sha256:[0-9a-f]{64}$" }),
      size: Type.Integer({ minimum: 1 }),
    }),
  ),
});
const isManifest = schemas().compile<Static<typeof Manifest>>(Manifest);
const Login = Type.Object({
  token: Type.Optional(Type.String({ pattern: "^[!-~]+$" })),
  access_token: Type.Optional(Type.String({ pattern: "^[!-~]+$" })),
});
const isLogin = schemas().compile<Static<typeof Login>>(Login);

/** Reads the URL of a bundle in a registry; null if it names none. */
export function ociReference(url: string): OciReference | null {
  const { origin, pathname, search } = new URL(url);
  const [, name, tag, digest] = REFERENCE.exec(pathname) ?? [];
  const reference = tag ?? digest;
  return name === undefined || reference === undefined || search !== "" ? null : { origin, name, reference };
}

export class OciSource implements Fetcher {
  readonly waits = false;
  readonly #options: OciSourceOptions;
  readonly #at: OciReference;
  readonly #requests: Requests;
  readonly #loginHosts: readonly string[];
  #authorization: string | null = null;

  /** @param loginHosts hosts that the registry may send logins to, beside itself. @throws TypeError if the URL names no bundle */
  constructor(options: OciSourceOptions, requests: Requests, loginHosts: readonly string[]) {
    const at = ociReference(options.url);
    if (at === null) throw new TypeError("not the URL of a bundle in a registry");
    this.#options = options;
    this.#at = at;
    this.#requests = requests;
    this.#loginHosts = loginHosts;
  }

  async fetch(known: string | null): Promise<Fetched> {
    const { reference } = this.#at;
    const manifest = await this.#get(`manifests/${reference}`, MANIFEST_BYTES_MAX, { accept: MANIFEST });
    const tag = digestOf(manifest);
    if (reference.startsWith("sha256:") && reference !== tag) throw new Error("the manifest isn't the one that the digest names");
    if (tag === known) return { kind: "known" };
    const { digest, size } = layerOf(manifest);
    const { bytes_max } = this.#options;
    if (size > bytes_max) throw new Error(`a layer of more than ${bytes_max} bytes`);
    const bytes = await this.#get(`blobs/${digest}`, bytes_max, {});
    if (bytes.length !== size || digestOf(bytes) !== digest) throw new Error("the layer isn't the one that the manifest names");
    return { kind: "bundle", tag, bytes };
  }

  async #get(path: string, bytes_max: number, headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const { origin, name } = this.#at;
    const { timeout_ms } = this.#options;
    const url = new URL(`${origin}/v2/${name}/${path}`);
    const ask = (): Promise<SourceAnswer> =>
      this.#requests.get({
        ...{ url, timeout_ms, bytes_max },
        headers: { ...headers, ...(this.#authorization !== null && { authorization: this.#authorization }) },
      });
    let got = await ask();
    if (got.status === 401) {
      this.#authorization = await this.#login(got.headers["www-authenticate"] ?? "");
      got = await ask();
    }
    if (got.status !== 200) throw new Error(`status ${got.status} of ${path.split("/")[0] ?? ""}`);
    return got.body;
  }

  /** Does what a challenge asks for (RFC 9110, section 11; the registry's token protocol). */
  async #login(challenge: string): Promise<string> {
    const [scheme = ""] = challenge.split(" ");
    const basic = this.#basic();
    if (scheme.toLowerCase() === "basic" && basic !== null) return basic;
    if (scheme.toLowerCase() !== "bearer") throw new Error("the registry wants a login that isn't configured");
    const asked = Object.fromEntries([...challenge.matchAll(PARAMETER)].map(([, name = "", value = ""]) => [name, value]));
    const realm = asked["realm"] ?? "";
    if (!URL.canParse(realm)) throw new Error("the registry names no address for logins");
    const url = new URL(realm);
    const isItsOwn = url.origin === this.#at.origin;
    if (!isItsOwn && !(url.protocol === "https:" && this.#loginHosts.includes(url.host)))
      throw new Error(`the registry sends logins to ${url.host}, which isn't among \`redirect_hosts\``);
    for (const name of ["service", "scope"]) if (asked[name] !== undefined) url.searchParams.set(name, asked[name]);
    const { timeout_ms } = this.#options;
    const headers = basic === null ? {} : { authorization: basic };
    const got = await this.#requests.get({ url, headers, timeout_ms, bytes_max: MANIFEST_BYTES_MAX });
    const login = parsed(got.body);
    const token = isLogin(login) ? (login.token ?? login.access_token) : undefined;
    if (got.status !== 200 || token === undefined) throw new Error(`the login failed, status ${got.status}`);
    return `Bearer ${token}`;
  }

  #basic(): string | null {
    const { credentials_file } = this.#options;
    if (credentials_file === undefined) return null;
    const login = readText(credentials_file).trim();
    if (!/^[^:\s]+:\S+$/.test(login)) throw new Error(`${credentials_file} has no \`user:password\` in one line`);
    return `Basic ${Buffer.from(login).toString("base64")}`;
  }
}

function layerOf(manifest: Buffer): { digest: string; size: number } {
  const value = parsed(manifest);
  if (!isManifest(value)) throw new Error("the registry's answer is no manifest of an image");
  const [layer, ...more] = value.layers.filter(({ mediaType }) => mediaType === LAYER);
  if (layer === undefined || more.length > 0)
    throw new Error(`the manifest has ${value.layers.length} layers, and not one of type ${LAYER}`);
  return layer;
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
