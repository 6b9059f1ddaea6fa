export const FROM = Date.UTC(2026, 0, 1);
