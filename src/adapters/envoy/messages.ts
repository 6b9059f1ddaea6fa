/** Envoy's messages (`envoy.service.auth.v3`): what a `CheckRequest` asks, and what is told as a `CheckResponse`. */
import { isCanonicalId, type Answer } from "../../contract/index.js";
import type { HttpRefusal } from "../../contract/refusals.js";
import { asset } from "../../system/paths.js";
import type { ProxiedRequest, CheckResult } from "./check.js";

/** Check request as the loader gives it: members that weren't sent are missing. */
export interface CheckRequest {
  attributes?: {
    source?: { principal?: string };
    request?: { http?: HttpRequest };
    context_extensions?: Record<string, string>;
    metadata_context?: { filter_metadata?: Record<string, Struct> };
  };
}

interface HttpRequest {
  id?: string;
  method?: string;
  headers?: Record<string, string>;
  path?: string;
  host?: string;
  size?: number;
  body?: Buffer;
  raw_body?: Buffer;
  header_map?: { headers?: { key?: string; value?: string; raw_value?: Buffer }[] };
}

/** `google.protobuf.Struct`. */
export interface Struct {
  fields?: Record<string, Value>;
}
interface Value {
  nullValue?: number;
  numberValue?: number;
  stringValue?: string;
  boolValue?: boolean;
  structValue?: Struct;
  listValue?: { values?: Value[] };
}

interface HeaderOption {
  header: { key: string; value: string };
  append_action: number;
}

export interface CheckResponse {
  status: { code: number; message?: string };
  denied_response?: { status: { code: number }; headers: HeaderOption[]; body: string };
  ok_response?: { headers: HeaderOption[]; headers_to_remove: string[] };
  dynamic_metadata: Struct;
}

export interface Messages {
  /** `/envoy.service.auth.v3.Authorization/Check` */
  path: string;
  /** @throws Error for bytes that are no such message */
  read: (bytes: Buffer) => CheckRequest;
  write: (message: CheckResponse) => Buffer;
}

const SERVICE = "envoy.service.auth.v3.Authorization";

export async function loadMessages(): Promise<Messages> {
  const { load } = await import("@grpc/proto-loader");
  const definition = await load(asset("proto", "ext_authz.proto"), { keepCase: true, longs: Number });
  const service = definition[SERVICE];
  const method = service !== undefined && !("format" in service) ? service["Check"] : undefined;
  if (method === undefined) throw new Error(`no ${SERVICE}`);
  return {
    path: method.path,
    read: (bytes) => method.requestDeserialize(bytes),
    write: (message) => method.responseSerialize(message),
  };
}

const ID_LENGTH_MAX = 128;

/** Returns the id that the proxy gave the request. */
export function requestIdOf({ attributes }: CheckRequest): string | null {
  const id = attributes?.request?.http?.id ?? "";
  return id.length <= ID_LENGTH_MAX && isCanonicalId(id) ? id : null;
}

export function askedOf(message: CheckRequest): ProxiedRequest {
  const { source, request, context_extensions: context = {}, metadata_context: found } = message.attributes ?? {};
  const { method = "", path = "", host = "", size = 0, body, raw_body, ...http } = request?.http ?? {};
  const shown = [body, raw_body].filter((bytes): bytes is Buffer => bytes !== undefined && bytes.length > 0);
  return {
    method,
    target: path,
    host,
    header: headersOf(http),
    // There is one of them, or it is not the proxy that wrote this.
    body: Buffer.concat(shown),
    size: size < 0 ? null : size,
    context: (key) => (Object.hasOwn(context, key) ? context[key] : undefined),
    principal: source?.principal ?? null,
    metadata: (namespace) => {
      const all = found?.filter_metadata ?? {};
      return Object.hasOwn(all, namespace) ? structValue(all[namespace], 0) : undefined;
    },
    id: requestIdOf(message),
  };
}

/** With `encode_raw_headers` they stand in `header_map`, each for itself. */
function headersOf({ headers = {}, header_map }: Pick<HttpRequest, "headers" | "header_map">): ProxiedRequest["header"] {
  const raw = header_map?.headers ?? [];
  if (raw.length === 0) return (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined);
  return (name) => {
    const values = raw.flatMap(({ key = "", value = "", raw_value }) =>
      key.toLowerCase() !== name ? [] : [raw_value === undefined || raw_value.length === 0 ? value : raw_value.toString("latin1")],
    );
    return values.length === 0 ? undefined : values.join(",");
  };
}

const DEPTH_MAX = 32;

/** Undefined for what is nested deeper than anything that is looked for. */
function structValue(struct: Struct | undefined, depth: number): Record<string, unknown> | undefined {
  if (struct === undefined || depth > DEPTH_MAX) return undefined;
  const entries = Object.entries(struct.fields ?? {}).map(([name, value]) => [name, plain(value, depth)] as const);
  return Object.fromEntries(entries);
}

function plain(value: Value, depth: number): unknown {
  if (value.structValue !== undefined) return structValue(value.structValue, depth + 1);
  if (value.listValue !== undefined)
    return depth > DEPTH_MAX ? undefined : (value.listValue.values ?? []).map((one) => plain(one, depth + 1));
  return value.stringValue ?? value.boolValue ?? value.numberValue ?? null;
}

/** https://grpc.io/docs/guides/status-codes: for whoever reads statistics; the client gets the HTTP status. */
const RPC_CODES = new Map([
  [400, 3],
  [401, 16],
  [503, 14],
]);
const PERMISSION_DENIED = 7;
const OVERWRITE_IF_EXISTS_OR_ADD = 2;

export function responseOf({ refusal, answer, headers, remove }: CheckResult): CheckResponse {
  const dynamic_metadata = metadataOf(refusal, answer);
  if (refusal === null)
    return {
      status: { code: 0 },
      ok_response: { headers: options(headers), headers_to_remove: [...remove] },
      dynamic_metadata,
    };
  return {
    status: { code: RPC_CODES.get(refusal.status) ?? PERMISSION_DENIED, message: String(refusal.body["code"]) },
    denied_response: {
      status: { code: refusal.status },
      headers: options(refusal.headers),
      body: JSON.stringify(refusal.body),
    },
    dynamic_metadata,
  };
}

function options(headers: Readonly<Record<string, string>>): HeaderOption[] {
  return Object.entries(headers).map(([key, value]) => ({
    header: { key, value },
    append_action: OVERWRITE_IF_EXISTS_OR_ADD,
  }));
}

/** Returns the metadata that later filters and access logs find under `envoy.filters.http.ext_authz`. */
function metadataOf(refusal: HttpRefusal | null, answer: Answer | null): Struct {
  const text = (value: string): Value => ({ stringValue: value });
  const fields: Record<string, Value> = { permitted: { boolValue: refusal === null } };
  if (refusal !== null) fields["code"] = text(String(refusal.body["code"]));
  fields["outcome"] = text(answer?.decision ?? "deny");
  if (answer !== null) {
    fields["decision_id"] = text(answer.decision_id);
    fields["policy_revision"] = text(answer.policy.revision);
    fields["policy_digest"] = text(answer.policy.digest);
    fields["facts_revision"] = { numberValue: answer.facts_revision };
    if (answer.finding !== undefined) fields["finding"] = text(answer.finding);
  }
  return { fields };
}
