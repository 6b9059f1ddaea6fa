import { expect } from "chai";
import * as TypeBox from "typebox";
import { Type } from "../../src/contract/type.js";

describe("the builder of schemas", () => {
  const closed = { additionalProperties: false };
  const built: Record<string, (T: typeof Type) => object> = {
    Array: (T) => T.Array(T.String(), { minItems: 1, uniqueItems: true }),
    Boolean: (T) => T.Boolean({ description: "yes or no" }),
    Enum: (T) => T.Enum(["a", "b"], { default: "a" }),
    Integer: (T) => T.Integer({ minimum: 0, maximum: 9 }),
    "Literal, text": (T) => T.Literal("a", { description: "a" }),
    "Literal, number": (T) => T.Literal(1),
    "Literal, boolean": (T) => T.Literal(true),
    Never: (T) => T.Never(),
    Null: (T) => T.Null(),
    Number: (T) => T.Number({ minimum: 0 }),
    Object: (T) => T.Object({ a: T.String(), b: T.Optional(T.Integer()), c: T.Null() }, { ...closed, default: {} }),
    "Object, nothing required": (T) => T.Object({ a: T.Optional(T.String()) }),
    "Object, empty": (T) => T.Object({}),
    "Object, a member that is optional elsewhere": (T) => {
      const text = T.String();
      return T.Array(T.Object({ a: T.Optional(text), b: text }));
    },
    "Object, members of another": (T) => {
      const { a, b } = T.Object({ a: T.String(), b: T.Optional(T.Array(T.String())) }).properties;
      return T.Object({ a, b }, closed);
    },
    "Object, inside": (T) => T.Object({ a: T.Optional(T.Object({ b: T.Optional(T.Tuple([T.String()])) }, closed)) }),
    Optional: (T) => T.Optional(T.String({ maxLength: 9 })),
    Record: (T) => T.Record(T.String(), T.Unknown()),
    "Record, of names": (T) => T.Record(T.String({ pattern: "^a" }), T.Integer(), { ...closed, description: "names" }),
    "Record, lengths of names": (T) => T.Record(T.String({ minLength: 1, maxLength: 9 }), T.Integer()),
    String: (T) => T.String({ minLength: 1, pattern: "^a", format: "path" }),
    Tuple: (T) => T.Tuple([T.Integer(), T.String()]),
    Union: (T) => T.Union([T.Literal("a"), T.Null(), T.Object({ b: T.Optional(T.Null()) })], { description: "some" }),
    Unknown: (T) => T.Unknown(),
    Unsafe: (T) => T.Unsafe({ $ref: "another" }),
  };

  for (const [name, build] of Object.entries(built)) {
    it(`builds what TypeBox does: ${name}`, () => {
      const [ours, theirs] = [build(Type), build(TypeBox.Type)].map((schema) => JSON.stringify(schema));
      expect(ours).to.equal(theirs);
    });
  }

  it("is tried here in everything it can do", () => {
    const tried = new Set(Object.keys(built).map((name) => name.split(",")[0]));
    expect([...tried].sort()).to.deep.equal(Object.keys(Type).sort());
  });
});
