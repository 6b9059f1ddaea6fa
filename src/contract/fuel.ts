/**
 * Metering units that one evaluation of a policy may use, about 2,000 a microsecond of CPU on a machine of today. A decision of the shipped
 * policies uses about 20,000.
 */
export const EVALUATION_FUEL = { default: 4_000_000, minimum: 100_000, maximum: 1_000_000_000 } as const;
