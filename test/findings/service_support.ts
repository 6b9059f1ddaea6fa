export const OTHERS_INVOICE = "read invoice/I-9 customer-9";
