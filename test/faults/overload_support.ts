export const IN_FLIGHT = 8;
