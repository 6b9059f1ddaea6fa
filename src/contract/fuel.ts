/**
 * Metering units that one evaluation of a policy may use, about 10,000 a microsecond of CPU. A decision of the
 * shipped policies uses about 300,000; a request that fills its body, with the user's words and the sources of its values, about 30,000,000.
 */
export const EVALUATION_FUEL = { default: 40_000_000, minimum: 1_000_000, maximum: 10_000_000_000 } as const;
