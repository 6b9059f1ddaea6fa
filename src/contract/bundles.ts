/** `GET /bundles` and `POST /bundles`. */
import { Type, type Static } from "./type.js";

const closed = { additionalProperties: false };
const Identity = Type.Object({ bundle: Type.String(), revision: Type.String(), sequence: Type.Integer(), digest: Type.String() }, closed);
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

export const BundlesAnswer = Type.Object(
  {
    name: Type.String(),
    wanted: orNull(Type.Object({ bytes: Type.Integer(), modified: Type.String(), identity: orNull(Identity) }, closed)),
    running: orNull(Identity),
    refused: orNull(
      Type.Object(
        { code: Type.String(), message: Type.String(), at: Type.String() },
        { ...closed, description: "Why what is wanted does not run" },
      ),
    ),
  },
  closed,
);
export type BundlesAnswer = Static<typeof BundlesAnswer>;

export const PublishAnswer = Type.Object({ running: Identity }, closed);
export type PublishAnswer = Static<typeof PublishAnswer>;
