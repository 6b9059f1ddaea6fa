/** `node:os`: a place in memory for what is thrown away. */
export const tmpdir = (): string => "/tmp";

export const homedir = (): string => "/";
