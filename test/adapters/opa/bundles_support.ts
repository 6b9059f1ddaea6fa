import { expect } from "chai";
import { NAME, bundleBytes } from "../../bundle/support.js";
import { tokenFor, type Running } from "../../http/running.js";

export const TAKER = tokenFor("remit:bundle", "opa-1");
export const PATH = `/bundles/${NAME}`;

export const bundle = (sequence: number): Promise<Buffer> => bundleBytes({ expires: null, sequence });

export function take(
  service: Running,
  headers: Record<string, string> = {},
  path = PATH,
  token = TAKER,
  signal: AbortSignal | null = null,
): Promise<Response> {
  return fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers }, signal });
}

export async function outcome(response: Response): Promise<string> {
  const { code = "" } = response.status === 304 ? {} : ((await response.json()) as { code?: string });
  return `${response.status} ${code}`.trim();
}

/** Resolves once it has come in, and waits. */
export async function waiting(service: Running, sent: Promise<unknown>): Promise<void> {
  let settled = false;
  void sent.finally(() => (settled = true));
  for (let i = 0; i < 3; i++) await take(service, { "if-none-match": '"other"' });
  expect(settled).to.equal(false);
}

export function limited(limits: object): object {
  return { name: NAME, path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state", poll_ms: 50, ...limits };
}
