/** Names that Node has everywhere. */
export { Buffer } from "buffer";

export const process = { env: {}, cwd: (): string => "/" };
