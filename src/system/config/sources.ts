/** Checks of where bundles are fetched from. */
import type { Static } from "../../contract/type.js";
import type { bundle } from "./decision.js";
import type { ErrorAt } from "./parts.js";
import { OUTGOING, isLoopback, isOutgoingUrl } from "./urls.js";

export function checkBundleSource({ source }: Static<typeof bundle>, errorAt: ErrorAt): void {
  if (source === undefined) return;
  const { kind, url, private: isPrivate, token_file, credentials_file, retry_ms, retry_max_ms } = source;
  const at = (member: string, message: string): Error => errorAt(["bundle", "source", member], message);
  if (!isOutgoingUrl(url)) throw at("url", OUTGOING);
  if (!isPrivate && isLoopback(new URL(url).hostname.replace(/^\[(.*)\]$/, "$1")))
    throw at("url", "set `private: true` for an address of this machine");
  if (kind === "oci" && !/[^/](?::[\w.-]+|@sha256:[0-9a-f]{64})$/.test(url))
    throw at("url", "name the bundle with its tag or digest, such as https://registry.example/acme/policies:stable");
  if (kind === "s3" && !/^[\w.~/-]+$/.test(new URL(url).pathname + new URL(url).search))
    throw at("url", "give a path of letters, digits and `._~-`, without a query");
  if (token_file !== undefined && kind !== "http") throw at("token_file", "is for `kind: http`");
  if (credentials_file !== undefined && kind === "http") throw at("credentials_file", "is for `kind: s3` and `kind: oci`");
  if (retry_ms > retry_max_ms) throw at("retry_ms", "must be at most `retry_max_ms`");
}
