/**
 * Messages of `envoy.service.auth.v3`, with the numbers, names and types of `proto/ext_authz.proto`, which a test holds them to.
 * The generic conversion of a library costs nearly twice as much.
 */
import { bool, bytes, double, int32, int64, later, list, map, message, text, texts, uint32, whole, type Kind } from "./protobuf.js"; // prettier-ignore

/** https://protobuf.dev/reference/protobuf/google.protobuf/#struct */
export interface Struct {
  fields?: Record<string, Value> | undefined;
}
export interface Value {
  nullValue?: number | undefined;
  numberValue?: number | undefined;
  stringValue?: string | undefined;
  boolValue?: boolean | undefined;
  structValue?: Struct | undefined;
  listValue?: { values?: Value[] | undefined } | undefined;
}

const value: Kind<Value> = message({
  nullValue: [1, int32],
  numberValue: [2, double],
  stringValue: [3, text],
  boolValue: [4, bool],
  structValue: [5, later(() => struct)],
  listValue: [6, message({ values: [1, list(later(() => value))] })],
});
const struct: Kind<Struct> = message({ fields: [1, map(value)] });

const address = message({
  socket_address: [
    1,
    message({ protocol: [1, int32], address: [2, text], port_value: [3, uint32], named_port: [4, text] }),
  ],
  pipe: [2, message({ path: [1, text], mode: [2, uint32] })],
});

const peer = message({
  address: [1, address],
  service: [2, text],
  labels: [3, texts],
  principal: [4, text],
  certificate: [5, text],
});

const header = message({ key: [1, text], value: [2, text], raw_value: [3, bytes] });

const http = message({
  id: [1, text],
  method: [2, text],
  headers: [3, texts],
  path: [4, text],
  host: [5, text],
  scheme: [6, text],
  query: [7, text],
  fragment: [8, text],
  size: [9, int64],
  protocol: [10, text],
  body: [11, bytes],
  raw_body: [12, bytes],
  header_map: [13, message({ headers: [1, list(header)] })],
});

const attributes = message({
  source: [1, peer],
  destination: [2, peer],
  request: [4, message({ time: [1, message({ seconds: [1, int64], nanos: [2, int32] })], http: [2, http] })],
  context_extensions: [10, texts],
  metadata_context: [11, message({ filter_metadata: [1, map(struct)] })],
  tls_session: [12, message({ sni: [1, text] })],
});

const headerOption = message({
  header: [1, header],
  append: [2, message({ value: [1, bool] })],
  append_action: [3, int32],
  keep_empty_value: [4, bool],
});

export const CHECK_REQUEST = whole({ attributes: [1, attributes] });

export const CHECK_RESPONSE = whole({
  status: [1, message({ code: [1, int32], message: [2, text] })],
  denied_response: [
    2,
    message({ status: [1, message({ code: [1, int32] })], headers: [2, list(headerOption)], body: [3, text] }),
  ],
  ok_response: [
    3,
    message({
      headers: [2, list(headerOption)],
      headers_to_remove: [5, list(text)],
      response_headers_to_add: [6, list(headerOption)],
      query_parameters_to_set: [7, list(message({ key: [1, text], value: [2, text] }))],
      query_parameters_to_remove: [8, list(text)],
    }),
  ],
  dynamic_metadata: [4, struct],
});

export type CheckRequest = ReturnType<typeof CHECK_REQUEST.read>;
export type CheckResponse = ReturnType<typeof CHECK_RESPONSE.read>;
/** A header of an answer. */
export type HeaderOption = NonNullable<NonNullable<CheckResponse["ok_response"]>["headers"]>[0];
/** What a request that is held back says of itself. */
export type HttpRequest = NonNullable<NonNullable<NonNullable<CheckRequest["attributes"]>["request"]>["http"]>;

/** The one call that there is. */
export const CHECK_PATH = "/envoy.service.auth.v3.Authorization/Check";
