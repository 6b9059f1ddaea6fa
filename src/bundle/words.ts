/** Pattern of a policy set's words: verbs, types, fields, roles, subjects, purposes. */
export const WORD = /^[a-z][a-z0-9_]{0,63}$/;
/** Codes of reasons. */
export const CODE = /^[a-z][a-z0-9_.]{0,127}$/;
