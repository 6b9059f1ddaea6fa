import { expect } from "chai";
import fc from "fast-check";
import { Receiver, type ReceiptOutcome, type ReceiverDeps } from "../../../src/adapters/events/receiver.js";
import { SetRefused } from "../../../src/adapters/events/refusals.js";
import { FixedKeys, pemKey } from "../../../src/identity/keys.js";
import { vectors } from "../../audit/tree/vectors.js";
import { IDP_PEM, signed } from "./support.js";

interface Payload {
  file: string;
  title: string;
  value: { iss: string; aud: string | string[]; iat: number; jti: string; sub_id: { format: string }; events: Record<string, object> };
}

interface Exchanges {
  push: { name: string; request?: { body: string }; response: { status: number; body: unknown } }[];
  poll: { name: string; request?: object; response?: { sets: Record<string, string> } }[];
  errCodes: string[];
}

const PAYLOADS = vectors("set_caep", "set-payloads.json") as Payload[];
const EXCHANGES = vectors("set_caep", "http-exchanges.json") as Exchanges;
const LIMITS = { token_bytes_max: 16_384, json: { depth_max: 32, members_max: 256 }, leeway_s: 5, under_way_max: 8 };

/** A receiver of one transmitter, whose clock stands at `now_s`, and what it was told to do. */
function receiverOf(iss: string, audience: string, now_s: number) {
  const applied: string[] = [];
  const outcomes: ReceiptOutcome[] = [];
  const keys = new FixedKeys([pemKey("k1", "RS256", IDP_PEM)]);
  const rules = [
    ...[
      "https://idp.example.com/",
      "https://idp.example.com/123456789/",
      "https://idp.example.com/3456789/",
      "https://idp.example.com/987654321/",
      "https://idp.example.com/3957ea72-1b66-44d6-a044-d805712b9288/",
    ].flatMap((issuer) => [
      { format: "iss_sub" as const, issuer, is: "principal" as const },
      { format: "jwt_id" as const, issuer, is: "token" as const },
      { format: "saml_assertion_id" as const, issuer, is: "token" as const },
    ]),
    { format: "email" as const, is: "principal" as const },
    { format: "phone_number" as const, is: "principal" as const },
    { format: "opaque" as const, is: "task" as const },
    { format: "opaque" as const, member: "session" as const, is: "task" as const },
    { format: "iss_sub" as const, issuer: "https://idp.example.com/123456789/", member: "device" as const, is: "owner" as const },
  ];
  const deps: ReceiverDeps = {
    transmitters: [{ name: "idp", issuer: iss, audience, keys, authorization: null, mapping: { rules, only: {}, critical: [] } }],
    facts: {
      knows: () => true,
      agentOf: () => undefined,
      apply: (effect, targets) => {
        applied.push(...targets.map(({ kind, id }) => `${effect} ${kind} ${id}`));
        return Promise.resolve({ applied: true, durable: true });
      },
    },
    journal: { find: () => undefined, restored: () => -Infinity, add: () => Promise.resolve() },
    record: () => Promise.resolve(),
    system: { clock: { wall: () => now_s * 1000, monotonic: () => 0 } },
    limits: LIMITS,
    report: (outcome) => outcomes.push(outcome),
  };
  return { receiver: new Receiver(deps), applied, outcomes };
}

/** By the examples' order: what each comes to, and what is done to whom. */
const CAME: readonly (readonly [outcome: ReceiptOutcome, ...applied: string[]])[] = [
  ["applied", "end_session task dMTlD|1600802906337.16|16008.16"],
  ["applied", "end_session task dMTlD|1600802906337.16|16008.16"],
  ["applied", "end_session principal jane.smith@example.com"],
  ["applied", "cut_tokens token f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7"],
  ["applied", "cut_tokens token f61t6e20zdo3px56gepu8rzlsp4c1dpc0fx7"],
  ["applied", "cut_tokens token _a75adf55-01d7-dbd8372ebdfc"],
  ["no_effect"],
  ["no_effect"],
  ["no_effect"],
  ["applied", "narrow owner e9297990-14d2-42ec-a4a9-4036db86509a"],
  ["no_effect"],
  ["no_effect"],
  ["no_effect"],
  ["verified"],
  ["applied", "restore principal foo@example.com"],
  ["applied", "suspend principal +1 206 555 0123"],
  ["applied", "cut_tokens principal user@example.com"],
  ["applied", "end_session principal jane.smith@example.com"],
  ["applied", "cut_tokens principal foo@example2.com"],
  ["subject_unknown"],
  ["verified"],
  ["stream_updated"],
  ["no_effect"],
  ["applied", "suspend principal 7375626A656374"],
  ["no_effect"],
  ["no_effect"],
];

describe("the examples of CAEP, RISC and SSF", () => {
  it("are all here", () => {
    expect(PAYLOADS.length).to.equal(CAME.length);
  });

  for (const [i, { file, title, value }] of PAYLOADS.entries()) {
    const [outcome, ...done] = CAME[i] ?? ["type_unknown"];
    const [type = ""] = Object.keys(value.events);
    it(`${i + 1} ${file}: ${title === "" ? type.slice(type.lastIndexOf("/") + 1) : title}: ${outcome}`, async () => {
      const [audience = ""] = [value.aud].flat();
      const { receiver, applied, outcomes } = receiverOf(value.iss, audience, value.iat);
      await receiver.take(signed(value), { authorization: undefined });
      expect(outcomes).to.deep.equal([outcome]);
      expect(applied).to.deep.equal(done);
    });

    it(`${i + 1}, signed for no one here, of no one here, or not at all, are refused`, async () => {
      const [audience = ""] = [value.aud].flat();
      const { receiver, applied } = receiverOf(value.iss, audience, value.iat);
      const code = (token: string): Promise<string> =>
        receiver.take(token, { authorization: undefined }).then(
          () => "taken",
          (cause: unknown) => (cause instanceof SetRefused ? cause.code : "thrown"),
        );
      expect(await code(signed({ ...value, aud: "https://elsewhere.example.com" }))).to.equal("invalid_audience");
      expect(await code(signed({ ...value, iss: "https://elsewhere.example.com" }))).to.equal("invalid_issuer");
      expect(await code(signed({ ...value, exp: value.iat + 1000 }))).to.equal("invalid_request");
      const [head = "", payload = ""] = signed(value).split(".");
      const [, , others = ""] = signed({ ...value, jti: "other" }).split(".");
      expect(await code(`${head}.${payload}.${others}`)).to.equal("authentication_failed");
      expect(applied).to.deep.equal([]);
    });
  }
});

describe("a receiver, whatever a transmitter signs", () => {
  const { value } = PAYLOADS[1] ?? PAYLOADS[0] ?? { value: null };
  if (value === null) throw new Error("no payloads");
  const [type = ""] = Object.keys(value.events);
  const TYPES = [...new Set(PAYLOADS.flatMap((one) => Object.keys(one.value.events)))];
  const taking = async (claims: object): Promise<string> => {
    const { receiver, applied } = receiverOf(value.iss, [value.aud].flat()[0] ?? "", value.iat);
    const outcome = await receiver.take(signed(claims), { authorization: undefined }).then(
      () => "taken",
      (cause: unknown) => (cause instanceof SetRefused ? "refused" : String(cause)),
    );
    if (outcome === "refused") expect(applied, "of what is refused nothing takes hold").to.deep.equal([]);
    return outcome;
  };

  it("takes it or refuses it, and nothing else: any subject", async () => {
    const member = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          format: fc.constantFrom("iss_sub", "email", "opaque", "complex", "aliases", "__proto__"),
          iss: fc.constantFrom(value.iss, 7),
          sub: fc.string(),
          email: fc.string(),
          id: fc.jsonValue(),
          identifiers: fc.array(fc.jsonValue()),
        },
        { requiredKeys: [] },
      ),
    );
    const subject = fc.oneof(
      member,
      fc.record(
        { format: fc.constant("complex"), user: member, session: member, device: member, __proto__: member },
        { requiredKeys: ["format"] },
      ),
    );
    await fc.assert(
      fc.asyncProperty(subject, async (sub_id) => {
        expect(await taking({ ...value, sub_id })).to.be.oneOf(["taken", "refused"]);
      }),
      { numRuns: 400 },
    );
  });

  it("takes it or refuses it, and nothing else: any event", async () => {
    const event = fc.dictionary(
      fc.constantFrom(
        "event_timestamp",
        "change_type",
        "credential_type",
        "current_level",
        "principal",
        "claims",
        "reason_admin",
        "state",
        "status",
        "subject",
      ),
      fc.jsonValue(),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(type, ...TYPES), fc.oneof(event, fc.jsonValue()), async (of, said) => {
        expect(await taking({ ...value, events: { [of]: said } })).to.be.oneOf(["taken", "refused"]);
      }),
      { numRuns: 400 },
    );
  });

  it("takes it or refuses it, and nothing else: any claims", async () => {
    const name = fc.constantFrom("iss", "aud", "iat", "jti", "exp", "sub", "events", "sub_id", "txn", "nbf", "toe");
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.jsonValue()), async (changes) => {
        expect(await taking({ ...value, ...changes })).to.be.oneOf(["taken", "refused"]);
      }),
      { numRuns: 400 },
    );
  });
});

describe("the exchanges of RFC 8935 and RFC 8936", () => {
  it("refuse the token that is pushed there, since nobody has its key, with a code that there is", async () => {
    const [valid] = EXCHANGES.push;
    const { receiver } = receiverOf("https://idp.example.com/", "636C69656E745F6964", 1_508_184_845);
    const refused = await receiver.take(valid?.request?.body ?? "", { authorization: undefined }).catch((cause: unknown) => cause);
    expect(refused).to.be.instanceOf(SetRefused);
    // Its header ends in a line feed: JSON all the same.
    expect((refused as SetRefused).code).to.equal("invalid_key");
  });

  it("take the same token, signed with a key that is known, though its subject is said in the old way", async () => {
    const [, payload = ""] = (EXCHANGES.push[0]?.request?.body ?? "").split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as {
      aud: string;
      iat: number;
      iss: string;
    };
    const { receiver, applied } = receiverOf(claims.iss, claims.aud, claims.iat);
    await receiver.take(signed(claims), { authorization: undefined });
    expect(applied).to.deep.equal(["suspend principal 7375626A656374"]);
  });

  it("have the errors that this receiver says, each as an object of `err` and `description`", () => {
    for (const { response } of EXCHANGES.push.slice(1)) {
      const { err } = response.body as { err: string };
      expect(EXCHANGES.errCodes).to.include(err);
      const said = new SetRefused(err as never, "why").toJSON();
      expect(Object.keys(said)).to.deep.equal(Object.keys(response.body as object));
    }
  });

  it("refuse the tokens that are polled there, without a signature and of two events", async () => {
    for (const { response } of EXCHANGES.poll)
      for (const token of Object.values(response?.sets ?? {})) {
        const { receiver, applied } = receiverOf(
          "https://scim.example.com",
          "https://scim.example.com/Feeds/98d52461fa5bbc879593b7754",
          1_458_496_404,
        );
        const refused = await receiver.take(token, { polled: "idp" }).catch((cause: unknown) => cause);
        expect(refused).to.be.instanceOf(SetRefused);
        expect(applied).to.deep.equal([]);
      }
  });
});
