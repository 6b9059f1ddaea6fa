/** Bounds of one request that a service has unless its configuration says otherwise; an embedded engine has no others. */
export const REQUEST_LIMITS = { body_bytes_max: 64 * 1024, depth_max: 32, members_max: 256 } as const;
