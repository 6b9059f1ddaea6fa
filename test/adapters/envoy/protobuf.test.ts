/** Our own reading and writing of Envoy's messages, held to a library's of the same protos: what it reads is the same, and nothing more is read. */
import { readFileSync } from "node:fs";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";
import { expect } from "chai";
import fc from "fast-check";
import { CHECK_PATH, CHECK_REQUEST, CHECK_RESPONSE } from "../../../src/adapters/envoy/ext_authz.js";
import { Texts } from "../../../src/adapters/envoy/protobuf.js";
import { asset } from "../../../src/system/paths.js";

const library = (() => {
  const definition = loadSync(asset("proto", "ext_authz.proto"), { keepCase: true, longs: Number });
  const service = definition["envoy.service.auth.v3.Authorization"];
  if (service === undefined || "format" in service) throw new Error("no service");
  return service["Check"] as MethodDefinition<object, object>;
})();

/** As the library has it: maps of texts as objects. */
function plain(value: unknown): unknown {
  if (value instanceof Texts) return Object.fromEntries(value.entries());
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 12 }), fc.constantFrom("x".repeat(127), "é".repeat(70), "y".repeat(20_000))); // prettier-ignore
const key = fc.oneof(
  fc.constantFrom("authorization", "x-a", "toString", "constructor", ""),
  fc.string({ maxLength: 6 }),
);
const texts = fc.dictionary(key, text, { maxKeys: 4, noNullPrototype: true });
const bytes = fc.uint8Array({ maxLength: 200 }).map((all) => Buffer.from(all));
const uint32 = fc.oneof(fc.nat(300), fc.constantFrom(2 ** 31, 2 ** 32 - 1));
const int32 = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1));
const int64 = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.maxSafeInteger(), fc.constantFrom(2 ** 32, -(2 ** 40)));
const some = <T extends object>(of: { [N in keyof T]: fc.Arbitrary<T[N]> }) => fc.record(of, { requiredKeys: [] });

const { struct } = fc.letrec<{ struct: object; value: object }>((tie) => ({
  struct: some({ fields: fc.dictionary(key, tie("value"), { maxKeys: 3, noNullPrototype: true }) }),
  value: fc.oneof(
    { depthSize: "small" },
    fc.record({ nullValue: fc.constant(0) }),
    fc.record({ numberValue: fc.double() }),
    fc.record({ stringValue: text }),
    fc.record({ boolValue: fc.boolean() }),
    fc.record({ structValue: tie("struct") }),
    fc.record({ listValue: some({ values: fc.array(tie("value"), { maxLength: 3 }) }) }),
  ),
}));

const peer = some({
  address: fc.oneof(
    fc.record({ socket_address: some({ protocol: int32, address: text, port_value: uint32, named_port: text }) }),
    fc.record({ pipe: some({ path: text, mode: uint32 }) }),
  ),
  ...{ service: text, labels: texts, principal: text, certificate: text },
});
const header = some({ key: text, value: text, raw_value: bytes });
const http = some({
  ...{ id: text, method: text, headers: texts, path: text, host: text, scheme: text, query: text, fragment: text },
  ...{ size: int64, protocol: text, body: bytes, raw_body: bytes },
  header_map: some({ headers: fc.array(header, { maxLength: 3 }) }),
});
const request = some({
  attributes: some({
    source: peer,
    destination: peer,
    request: some({ time: some({ seconds: int64, nanos: int32 }), http }),
    context_extensions: texts,
    metadata_context: some({ filter_metadata: fc.dictionary(key, struct, { maxKeys: 2, noNullPrototype: true }) }),
    tls_session: some({ sni: text }),
  }),
});

const code = fc.oneof(fc.nat(600), fc.constant(2 ** 31 - 1));
const option = some({ header, append: some({ value: fc.boolean() }), append_action: code, keep_empty_value: fc.boolean() }); // prettier-ignore
const options = fc.array(option, { maxLength: 3 });
const names = fc.array(text, { maxLength: 3 });
const denied = some({ status: some({ code }), headers: options, body: text });
const ok = some({
  ...{
    headers: options,
    headers_to_remove: names,
    response_headers_to_add: options,
    query_parameters_to_remove: names,
  },
  query_parameters_to_set: fc.array(some({ key: text, value: text }), { maxLength: 3 }),
});
const response = fc.oneof(
  some({ status: some({ code, message: text }), denied_response: denied, dynamic_metadata: struct }),
  some({ status: some({ code, message: text }), ok_response: ok, dynamic_metadata: struct }),
);

const VECTORS = JSON.parse(readFileSync(asset("test", "vectors", "envoy", "messages.json"), "utf8")) as { name: string; type: string; wireBase64: string }[]; // prettier-ignore
const isRequest = ({ type }: { type: string }): boolean => type.endsWith("CheckRequest");
const wire = ({ wireBase64 }: { wireBase64: string }): Buffer => Buffer.from(wireBase64, "base64");
const seed = Number(process.env["REMIT_SEED"] ?? 11);

describe("Envoy's messages, beside a library", () => {
  it("are asked at the same path", () => {
    expect(CHECK_PATH).to.equal(library.path);
  });

  for (const vector of VECTORS) {
    it(`are read as it reads them, and written again: ${vector.name}`, () => {
      if (isRequest(vector)) expect(plain(CHECK_REQUEST.read(wire(vector)))).to.deep.equal(library.requestDeserialize(wire(vector))); // prettier-ignore
      else {
        const read = CHECK_RESPONSE.read(wire(vector));
        expect(plain(read)).to.deep.equal(library.responseDeserialize(wire(vector)));
        expect(library.responseDeserialize(CHECK_RESPONSE.write(read))).to.deep.equal(plain(read));
      }
    });
  }

  it("of any kind are read as it reads them", () => {
    fc.assert(
      fc.property(request, (made) => {
        const written = library.requestSerialize(made);
        const read = CHECK_REQUEST.read(written);
        expect(plain(read)).to.deep.equal(library.requestDeserialize(written));
        const headers = read.attributes?.request?.http?.headers;
        for (const [name, value] of headers?.entries() ?? []) expect(headers?.get(name)).to.equal(value);
      }),
      { numRuns: 500, seed },
    );
  });

  it("of any kind are written as it writes them, byte for byte", () => {
    fc.assert(
      fc.property(response, (made) => {
        const written = CHECK_RESPONSE.write(made);
        expect(written.toString("hex")).to.equal(library.responseSerialize(made).toString("hex"));
        expect(plain(CHECK_RESPONSE.read(written))).to.deep.equal(library.responseDeserialize(written));
      }),
      { numRuns: 500, seed },
    );
  });

  it("with bytes changed, taken out or put in are read as it reads them, or refused", () => {
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(3), put: fc.uint8Array({ maxLength: 3 }) }); // prettier-ignore
    const whole = fc.oneof(request.map((made) => library.requestSerialize(made)), fc.constantFrom(...VECTORS.filter(isRequest).map(wire)));
    let [read, refused] = [0, 0];
    fc.assert(
      fc.property(whole, fc.array(edit, { minLength: 1, maxLength: 3 }), (good, edits) => {
        let all = good;
        for (const { at, cut, put } of edits) {
          const place = Math.floor(at * all.length);
          all = Buffer.concat([all.subarray(0, place), put, all.subarray(place + cut)]);
        }
        let found: unknown;
        try {
          found = plain(CHECK_REQUEST.read(all));
        } catch (cause) {
          expect(cause).to.be.instanceOf(RangeError);
          refused++;
          return;
        }
        read++;
        expect(found).to.deep.equal(library.requestDeserialize(all));
      }),
      { numRuns: 4000, seed },
    );
    for (const times of [read, refused]) expect(times).to.be.above(500);
  }).timeout(30_000);

  const nested = (levels: number): Buffer => {
    const sized = (tag: number, body: Buffer): Buffer => {
      const length: number[] = [];
      for (let rest = body.length; ; rest >>>= 7) {
        length.push(rest > 0x7f ? 0x80 | (rest & 0x7f) : rest);
        if (rest <= 0x7f) break;
      }
      return Buffer.concat([Buffer.from([tag, ...length]), body]);
    };
    let list: Buffer = Buffer.from("0800", "hex");
    for (let i = 0; i < levels; i++) list = sized(0x32, sized(0x0a, list));
    const entry = (value: Buffer): Buffer => sized(0x0a, Buffer.concat([Buffer.from("0a0161", "hex"), sized(0x12, value)])); // prettier-ignore
    return sized(0x0a, sized(0x5a, entry(entry(list))));
  };

  it("are read as deep as anything is looked for, and no deeper than it reads", () => {
    for (const levels of [0, 1, 16, 40]) expect(plain(CHECK_REQUEST.read(nested(levels)))).to.deep.equal(library.requestDeserialize(nested(levels))); // prettier-ignore
    for (const levels of [49, 50, 60, 20_000]) {
      expect(() => library.requestDeserialize(nested(levels)), String(levels)).to.throw();
      expect(() => CHECK_REQUEST.read(nested(levels)), String(levels)).to.throw(RangeError);
    }
  });

  const refused: [what: string, hex: string][] = [
    ["a message that is cut off", "0a05"],
    ["a message of another length than it has", "0a022206220412023a00"],
    ["a message within it that reaches beyond it", "0a04220412021a00"],
    ["a text that reaches beyond its message", "0a06220412020a05"],
    ["bytes that reach beyond their message", "0a06220412025a05"],
    ["a number in the place of a message", "0800"],
    ["a number in the place of a text", "0a06220412021000"],
    ["a text in the place of a number", "0a06220412024a00"],
    ["eight bytes in the place of a text", "0a0d220b120911000a056161616161"],
    ["a tag that is cut off", "80"],
    ["a tag of more than 32 bits", "8a80808010" + "00"],
    ["a tag of more than five bytes", "8a8080808000" + "00"],
    ["a field without a number that is cut off", "020561"],
    ["a length of more than 32 bits", "0affffffff1f"],
    ["a number of more than 64 bits", "0a0f220d120b" + "48ffffffffffffffffff02"],
    ["a number that has no end", "0a0f220d120b" + "48ffffffffffffffffffff"],
    ["an unknown number that has no end", "9806ffffffffffffffffffff01"],
    ["an unknown number of eight bytes that is cut off", "990600000000"],
    ["an unknown number of four bytes that is cut off", "9d060000"],
    ["an unknown text that is cut off", "9a060561"],
    ["a group", "9b069c06"],
    ["the end of a group", "9c06"],
    ["a wire type that there isn't", "9e06"],
    ["an entry of a map with a number for its key", "0a0452020800"],
    ["an entry of a map with a number for its value", "0a0452021000"],
    ["an entry of a map that reaches beyond it", "0a045205" + "0a01"],
    ["an entry of a map of messages without a value", "0a075a05" + "0a030a0161"],
    ["a port of more than 32 bits", "0a0c0a0a0a080a06" + "18ffffffff1f"],
    ["a protocol of more than 32 bits", "0a0d0a0b0a090a07" + "08ffffffff8f01"],
  ];
  for (const [what, hex] of refused) {
    it(`are refused with ${what}`, () => {
      expect(() => CHECK_REQUEST.read(Buffer.from(hex, "hex"))).to.throw(RangeError);
    });
  }

  it("have the last of several under one key, and the last of a field that comes twice", () => {
    const entry = (value: string): string => `52060a01611201${Buffer.from(value).toString("hex")}`;
    const all = Buffer.from(`0a08${entry("x")}0a10${entry("y")}${entry("z")}`, "hex");
    const { attributes } = CHECK_REQUEST.read(all);
    expect(attributes?.context_extensions?.entries()).to.deep.equal([["a", "y"], ["a", "z"]]); // prettier-ignore
    expect(attributes?.context_extensions?.get("a")).to.equal("z");
    expect(attributes?.context_extensions?.get("b")).to.equal(undefined);
    expect(plain(CHECK_REQUEST.read(all))).to.deep.equal(library.requestDeserialize(all));
  });
}); // prettier-ignore
